/**
 * @generated SignedSource<<0576974d7892584e7beffa9b73648ca1>>
 * @lightSyntaxTransform
 */

/* tslint:disable */
/* eslint-disable */
// @ts-nocheck

import type { ConcreteRequest } from 'relay-runtime';
import type { Result } from "relay-runtime";
export type BackfillStatus = "CANCELLED" | "COMPLETED" | "CREATED" | "FAILED" | "RUNNING" | "SCHEDULED" | "UNKNOWN";
export type backfillsDashboardQuery$variables = {
  teamId?: string | null | undefined;
  transferIds: ReadonlyArray<string>;
};
export type backfillsDashboardQuery$data = {
  readonly transfers: ReadonlyArray<{
    readonly id: string;
    readonly latestBackfill: Result<{
      readonly estimatedEndTime: string | null | undefined;
      readonly id: string;
      readonly isStale: boolean;
      readonly progress: number;
      readonly status: BackfillStatus;
      readonly teamId: string;
    } | null | undefined, unknown>;
    readonly teamId: string;
  }>;
};
export type backfillsDashboardQuery = {
  response: backfillsDashboardQuery$data;
  variables: backfillsDashboardQuery$variables;
};

const node: ConcreteRequest = (function(){
var v0 = {
  "defaultValue": null,
  "kind": "LocalArgument",
  "name": "teamId"
},
v1 = {
  "defaultValue": null,
  "kind": "LocalArgument",
  "name": "transferIds"
},
v2 = [
  {
    "kind": "Variable",
    "name": "ids",
    "variableName": "transferIds"
  },
  {
    "kind": "Variable",
    "name": "teamId",
    "variableName": "teamId"
  }
],
v3 = {
  "alias": null,
  "args": null,
  "kind": "ScalarField",
  "name": "id",
  "storageKey": null
},
v4 = {
  "alias": null,
  "args": null,
  "kind": "ScalarField",
  "name": "teamId",
  "storageKey": null
},
v5 = {
  "alias": null,
  "args": null,
  "concreteType": "Backfill",
  "kind": "LinkedField",
  "name": "latestBackfill",
  "plural": false,
  "selections": [
    (v3/*:: as any*/),
    (v4/*:: as any*/),
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
};
return {
  "fragment": {
    "argumentDefinitions": [
      (v0/*:: as any*/),
      (v1/*:: as any*/)
    ],
    "kind": "Fragment",
    "metadata": null,
    "name": "backfillsDashboardQuery",
    "selections": [
      {
        "alias": null,
        "args": (v2/*:: as any*/),
        "concreteType": "Transfer",
        "kind": "LinkedField",
        "name": "transfers",
        "plural": true,
        "selections": [
          (v3/*:: as any*/),
          (v4/*:: as any*/),
          {
            "kind": "CatchField",
            "field": (v5/*:: as any*/),
            "to": "RESULT"
          }
        ],
        "storageKey": null
      }
    ],
    "type": "Query",
    "abstractKey": null
  },
  "kind": "Request",
  "operation": {
    "argumentDefinitions": [
      (v1/*:: as any*/),
      (v0/*:: as any*/)
    ],
    "kind": "Operation",
    "name": "backfillsDashboardQuery",
    "selections": [
      {
        "alias": null,
        "args": (v2/*:: as any*/),
        "concreteType": "Transfer",
        "kind": "LinkedField",
        "name": "transfers",
        "plural": true,
        "selections": [
          (v3/*:: as any*/),
          (v4/*:: as any*/),
          (v5/*:: as any*/)
        ],
        "storageKey": null
      }
    ]
  },
  "params": {
    "cacheID": "97e34938020bf9923e4487bf04380724",
    "id": null,
    "metadata": {},
    "name": "backfillsDashboardQuery",
    "operationKind": "query",
    "text": "query backfillsDashboardQuery(\n  $transferIds: [ID!]!\n  $teamId: ID\n) {\n  transfers(ids: $transferIds, teamId: $teamId) {\n    id\n    teamId\n    latestBackfill {\n      id\n      teamId\n      status\n      progress\n      estimatedEndTime\n      isStale\n    }\n  }\n}\n"
  }
};
})();

(node as any).hash = "6725a3e75b0c29534681d27fdaac3c59";

export default node;
