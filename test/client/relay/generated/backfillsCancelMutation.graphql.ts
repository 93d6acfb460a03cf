/**
 * @generated SignedSource<<de35b9b4f6c353b9708160fbc04252ed>>
 * @lightSyntaxTransform
 */

/* tslint:disable */
/* eslint-disable */
// @ts-nocheck

import type { ConcreteRequest } from 'relay-runtime';
export type BackfillStatus = "CANCELLED" | "COMPLETED" | "CREATED" | "FAILED" | "RUNNING" | "SCHEDULED" | "UNKNOWN";
export type backfillsCancelMutation$variables = {
  id: string;
  teamId?: string | null | undefined;
};
export type backfillsCancelMutation$data = {
  readonly cancelBackfill: {
    readonly estimatedEndTime: string | null | undefined;
    readonly id: string;
    readonly isStale: boolean;
    readonly progress: number;
    readonly status: BackfillStatus;
    readonly teamId: string;
  } | null | undefined;
};
export type backfillsCancelMutation = {
  response: backfillsCancelMutation$data;
  variables: backfillsCancelMutation$variables;
};

const node: ConcreteRequest = (function(){
var v0 = [
  {
    "defaultValue": null,
    "kind": "LocalArgument",
    "name": "id"
  },
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
        "name": "id",
        "variableName": "id"
      },
      {
        "kind": "Variable",
        "name": "teamId",
        "variableName": "teamId"
      }
    ],
    "concreteType": "Backfill",
    "kind": "LinkedField",
    "name": "cancelBackfill",
    "plural": false,
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
    "name": "backfillsCancelMutation",
    "selections": (v1/*:: as any*/),
    "type": "Mutation",
    "abstractKey": null
  },
  "kind": "Request",
  "operation": {
    "argumentDefinitions": (v0/*:: as any*/),
    "kind": "Operation",
    "name": "backfillsCancelMutation",
    "selections": (v1/*:: as any*/)
  },
  "params": {
    "cacheID": "702d3415f920e5244c25acbc58565779",
    "id": null,
    "metadata": {},
    "name": "backfillsCancelMutation",
    "operationKind": "mutation",
    "text": "mutation backfillsCancelMutation(\n  $id: ID!\n  $teamId: ID\n) {\n  cancelBackfill(id: $id, teamId: $teamId) {\n    id\n    teamId\n    status\n    progress\n    estimatedEndTime\n    isStale\n  }\n}\n"
  }
};
})();

(node as any).hash = "87bf366b82162a5a6fc23d4f5d51a77a";

export default node;
