import { readFileSync } from 'node:fs';
import { buildSchema, isObjectType } from 'graphql';
import { beforeEach, describe, expect, it } from 'vitest';
import { composeByGrafbase, serveByGrafbase, skipsWithoutGrafbase } from '../support/grafbase.ts';
import { GRAFBASE } from '../support/routers.ts';
import { startSupergraph } from '../support/supergraph.ts';
import { transfersSdl } from '../support/transfers-subgraph.ts';

const url = 'http://127.0.0.1/graphql';
const schema = readFileSync(new URL('../../schema.graphql', import.meta.url), 'utf8');
const subgraphsWith = (owner: string) => [
  { name: 'backfills', url, sdl: schema },
  { name: 'transfers', url, sdl: owner },
];

describe('what is particular to Grafbase', () => {
  beforeEach(({ skip }) => skip(skipsWithoutGrafbase));

  it('its composer joins the fields of both subgraphs, and gives Query.transfer to the owner', async () => {
    const supergraph = buildSchema(await composeByGrafbase(subgraphsWith(transfersSdl())), {
      assumeValidSDL: true,
    });
    const transfer = supergraph.getType('Transfer');
    const fields = isObjectType(transfer) ? Object.keys(transfer.getFields()) : [];
    expect(fields.sort()).toEqual(['id', 'latestBackfill', 'name', 'teamId']);
    const [join] = supergraph.getQueryType()?.getFields()['transfer']?.astNode?.directives ?? [];
    expect(join?.arguments?.map(({ name, value }) => [name.value, 'value' in value && value.value])).toEqual([
      ['graph', 'TRANSFERS'],
      ['override', 'backfills'],
    ]);
  });

  it('its composer takes an owner without teamId, which the other composers refuse: its client meets the mistake', async () => {
    const owner = transfersSdl({ keys: '@key(fields: "id")', teamId: '', transfer: '' });
    const origin = await serveByGrafbase(subgraphsWith(owner), '');
    const response = await fetch(`${origin}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query: '{ transfersOfTeam(teamId: "1") { latestBackfill { id } } }' }),
    });
    expect(await response.json()).toMatchObject({
      errors: [
        {
          message: 'Could not plan field: Transfer.teamId',
          extensions: { code: 'OPERATION_PLANNING_ERROR' },
        },
      ],
    });
  });

  it('ids are strings, and an integer is refused before any subgraph is asked', async () => {
    const { backfills, query } = await startSupergraph(GRAFBASE.start, []);
    const { errors } = await query('{ backfill(id: 5) { id } }');
    expect(errors).toMatchObject([{ extensions: { code: 'OPERATION_VALIDATION_ERROR' } }]);
    const variable = 'query ($id: ID! = 5) { backfill(id: $id) { id } }';
    expect((await query(variable)).errors).toHaveLength(1);
    expect(backfills.requests).toEqual([]);
  });
});
