// Mistakes that the types catch: `npm run typecheck` fails when one of them compiles. Nothing here ever runs.
import type { Ask } from './client.ts';
import { BackfillDetailsDocument, DashboardDocument } from './generated/graphql.ts';
import { reactionTo } from './on-error.ts';
import { rowState } from './row-state.ts';

export async function makeMistakes(ask: Ask): Promise<readonly unknown[]> {
  // @ts-expect-error the variable `id` is missing
  await ask(BackfillDetailsDocument, {});
  // @ts-expect-error an id is a string: a number would lose its last digits beyond 2^53
  await ask(BackfillDetailsDocument, { id: 12345 });
  // @ts-expect-error there is no such variable
  await ask(BackfillDetailsDocument, { id: '1', team: '1' });
  // @ts-expect-error the variables are those of another operation
  await ask(DashboardDocument, { id: '1' });

  // @ts-expect-error there is no such code
  reactionTo('TEAPOT');

  const page = await ask(DashboardDocument, { transferIds: ['1'] });
  // @ts-expect-error there is no such field
  rowState(page, ['transfers', 0, 'lastBackfill']);
  // @ts-expect-error a transfer is not a row that can be stale
  rowState(page, ['transfers', 0]);
  const state = rowState(page, ['transfers', 0, 'latestBackfill']);
  // @ts-expect-error the operation does not ask for this field
  if (state.kind === 'known') state.row.createdTime satisfies string;

  const { data } = await ask(BackfillDetailsDocument, { id: '1' });
  return [
    // @ts-expect-error the field is null when there is no such backfill
    data?.backfill.status,
    // @ts-expect-error the operation does not ask for this field
    data?.backfill?.createdTime,
    // @ts-expect-error the schema has no such status
    data?.backfill?.status === 'PAUSED',
    // @ts-expect-error a time is a string, not a Date
    data?.backfill?.estimatedEndTime satisfies Date | null | undefined,
  ];
}
