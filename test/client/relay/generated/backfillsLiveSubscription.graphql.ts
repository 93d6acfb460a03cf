/**
 * @generated SignedSource<<8b4daa12e4a3aaa5cfe3af30e1e2eee5>>
 * @lightSyntaxTransform
 */

/* tslint:disable */
/* eslint-disable */
// @ts-nocheck

import type { ConcreteRequest } from 'relay-runtime';
export type BackfillStatus = "CANCELLED" | "COMPLETED" | "CREATED" | "FAILED" | "RUNNING" | "SCHEDULED" | "UNKNOWN";
export type backfillsLiveSubscription$variables = {
  teamId?: string | null | undefined;
};
export type backfillsLiveSubscription$data = {
  readonly incompleteBackfillsUpdated: ReadonlyArray<{
    readonly estimatedEndTime: string | null | undefined;
    readonly id: string;
    readonly isStale: boolean;
    readonly progress: number;
    readonly status: BackfillStatus;
    readonly teamId: string;
  }>;
};
export type backfillsLiveSubscription = {
  response: backfillsLiveSubscription$data;
  variables: backfillsLiveSubscription$variables;
};

const node: ConcreteRequest = (function(){
var v0 = [
  {
    "defaultValue": null,
    "kind": "LocalArgument",
    "name": "teamId"
  }
],
v1 = [
  {
    "alias": null,
    "args": [
      {
        "kind": "Variable",
        "name": "teamId",
        "variableName": "teamId"
      }
    ],
    "concreteType": "Backfill",
    "kind": "LinkedField",
    "name": "incompleteBackfillsUpdated",
    "plural": true,
    "selections": [
      {
        "alias": null,
        "args": null,
        "kind": "ScalarField",
        "name": "id",
        "storageKey": null
      },
      {
        "alias": null,
        "args": null,
        "kind": "ScalarField",
        "name": "teamId",
        "storageKey": null
      },
      {
        "alias": null,
        "args": null,
        "kind": "ScalarField",
        "name": "status",
        "storageKey": null
      },
      {
        "alias": null,
        "args": null,
        "kind": "ScalarField",
        "name": "progress",
        "storageKey": null
      },
      {
        "alias": null,
        "args": null,
        "kind": "ScalarField",
        "name": "estimatedEndTime",
        "storageKey": null
      },
      {
        "alias": null,
        "args": null,
        "kind": "ScalarField",
        "name": "isStale",
        "storageKey": null
      }
    ],
    "storageKey": null
  }
];
return {
  "fragment": {
    "argumentDefinitions": (v0/*:: as any*/),
    "kind": "Fragment",
    "metadata": null,
    "name": "backfillsLiveSubscription",
    "selections": (v1/*:: as any*/),
    "type": "Subscription",
    "abstractKey": null
  },
  "kind": "Request",
  "operation": {
    "argumentDefinitions": (v0/*:: as any*/),
    "kind": "Operation",
    "name": "backfillsLiveSubscription",
    "selections": (v1/*:: as any*/)
  },
  "params": {
    "cacheID": "91cb9880a519187001a81adf9018dfe0",
    "id": null,
    "metadata": {},
    "name": "backfillsLiveSubscription",
    "operationKind": "subscription",
    "text": "subscription backfillsLiveSubscription(\n  $teamId: ID\n) {\n  incompleteBackfillsUpdated(teamId: $teamId) {\n    id\n    teamId\n    status\n    progress\n    estimatedEndTime\n    isStale\n  }\n}\n"
  }
};
})();

(node as any).hash = "23fed9118d2b353ea3061690a9f57058";

export default node;
