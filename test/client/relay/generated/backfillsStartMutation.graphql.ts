/**
 * @generated SignedSource<<e54443c60c5fead2e1d82bd3bad7acfd>>
 * @lightSyntaxTransform
 */

/* tslint:disable */
/* eslint-disable */
// @ts-nocheck

import type { ConcreteRequest } from 'relay-runtime';
export type BackfillStatus = "CANCELLED" | "COMPLETED" | "CREATED" | "FAILED" | "RUNNING" | "SCHEDULED" | "UNKNOWN";
export type CreateBackfillInput = {
  rangeEndDate: string;
  rangeStartDate: string;
  teamId?: string | null | undefined;
  transferId: string;
};
export type backfillsStartMutation$variables = {
  input: CreateBackfillInput;
};
export type backfillsStartMutation$data = {
  readonly createBackfill: {
    readonly estimatedEndTime: string | null | undefined;
    readonly id: string;
    readonly isStale: boolean;
    readonly progress: number;
    readonly status: BackfillStatus;
    readonly teamId: string;
    readonly transfer: {
      readonly id: string;
      readonly latestBackfill: {
        readonly id: string;
        readonly teamId: string;
      } | null | undefined;
      readonly teamId: string;
    };
  } | null | undefined;
};
export type backfillsStartMutation = {
  response: backfillsStartMutation$data;
  variables: backfillsStartMutation$variables;
};

const node: ConcreteRequest = (function(){
var v0 = [
  {
    "defaultValue": null,
    "kind": "LocalArgument",
    "name": "input"
  }
],
v1 = {
  "alias": null,
  "args": null,
  "kind": "ScalarField",
  "name": "id",
  "storageKey": null
},
v2 = {
  "alias": null,
  "args": null,
  "kind": "ScalarField",
  "name": "teamId",
  "storageKey": null
},
v3 = [
  {
    "alias": null,
    "args": [
      {
        "kind": "Variable",
        "name": "input",
        "variableName": "input"
      }
    ],
    "concreteType": "Backfill",
    "kind": "LinkedField",
    "name": "createBackfill",
    "plural": false,
    "selections": [
      (v1/*:: as any*/),
      (v2/*:: as any*/),
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
      },
      {
        "alias": null,
        "args": null,
        "concreteType": "Transfer",
        "kind": "LinkedField",
        "name": "transfer",
        "plural": false,
        "selections": [
          (v1/*:: as any*/),
          (v2/*:: as any*/),
          {
            "alias": null,
            "args": null,
            "concreteType": "Backfill",
            "kind": "LinkedField",
            "name": "latestBackfill",
            "plural": false,
            "selections": [
              (v1/*:: as any*/),
              (v2/*:: as any*/)
            ],
            "storageKey": null
          }
        ],
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
    "name": "backfillsStartMutation",
    "selections": (v3/*:: as any*/),
    "type": "Mutation",
    "abstractKey": null
  },
  "kind": "Request",
  "operation": {
    "argumentDefinitions": (v0/*:: as any*/),
    "kind": "Operation",
    "name": "backfillsStartMutation",
    "selections": (v3/*:: as any*/)
  },
  "params": {
    "cacheID": "4009edde541e29ff513cbe4057c78486",
    "id": null,
    "metadata": {},
    "name": "backfillsStartMutation",
    "operationKind": "mutation",
    "text": "mutation backfillsStartMutation(\n  $input: CreateBackfillInput!\n) {\n  createBackfill(input: $input) {\n    id\n    teamId\n    status\n    progress\n    estimatedEndTime\n    isStale\n    transfer {\n      id\n      teamId\n      latestBackfill {\n        id\n        teamId\n      }\n    }\n  }\n}\n"
  }
};
})();

(node as any).hash = "efe6e8ae40890a88158a13d4e6ef2bf5";

export default node;
