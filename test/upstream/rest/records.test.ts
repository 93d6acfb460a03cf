import { describe, expect, it } from 'vitest';
import { faultsIn, readRecord } from '../../../src/upstream/rest/records.ts';
import { RECORD } from '../../support/records.ts';

const READ = {
  ...RECORD,
  transfer_backfill_id: '17',
  transfer_id: '5',
  created_user_id: '7',
  removed_user_id: null,
  start_time: null,
  end_time: null,
};

describe('readRecord', () => {
  it('reads ids as texts, and null for what is absent', () => {
    expect(readRecord(RECORD)).toEqual(READ);
  });

  it.each([
    ['transfer_backfill_id', [undefined, null, 0, -1, 1.5, 2 ** 53, '01', '9223372036854775808', [17], true]],
    ['transfer_id', [null, '', ' 5', 1e21]],
    ['created_user_id', [null, {}]],
    ['range_start_date', [null, '2026-02-30', '2026-13-01', '2026-1-1', '2026-01-01T00:00:00Z', 20260101]],
    ['range_end_date', [null, '2025-02-29', '2026-00-10', '2026-01-00', ' 2026-01-01', '2026-01-01\n']],
    ['created_time', [null, '2026-02-30T09:00:00Z', 1_770_000_000]],
    ['status', [undefined, null, 3]],
    ['transfer_runs_total', [undefined, null, '31', -1, 1.5, 2 ** 31]],
    ['transfer_runs_created', [null]],
    ['transfer_runs_completed', [null]],
    ['transfer_runs_failed', [null]],
  ])('takes nothing for a backfill of which %s makes no sense, and names it', (key, odd) => {
    for (const value of odd) {
      const data = { ...RECORD, [key]: value };
      expect(readRecord(data)).toBeUndefined();
      expect(faultsIn(data)).toMatch(new RegExp(`^${key}: not an? [A-Za-z0-9 ]+$`));
    }
  });

  it.each([
    ['removed_time', ['yesterday', 5, {}, undefined, '']],
    ['removed_user_id', [0, 'x', 1.5, undefined]],
    ['start_time', ['2026-02-30T00:00:00Z', false]],
    ['end_time', [[], '2026']],
  ])('reads null for %s where it makes no sense', (key, odd) => {
    for (const value of odd) expect(readRecord({ ...RECORD, [key]: value })).toEqual(READ);
  });

  it('keeps the last day of a month and of a leap year, and ids beyond 2^53', () => {
    const data = {
      transfer_id: '9223372036854775807',
      range_start_date: '2024-02-29',
      range_end_date: '2024-12-31',
    };
    expect(readRecord({ ...RECORD, ...data })).toEqual({ ...READ, ...data });
  });

  it('leaves out the rows of a report that make no sense', () => {
    const row = { transfer_run_date: '2026-01-03', error: 'No rows' };
    const odd = [null, 'x', [], {}, { ...row, error: 5 }, { ...row, transfer_run_date: '2026-02-31' }];
    expect(readRecord({ ...RECORD, error_report: [...odd, { ...row, more: 1 }, ...odd] })).toEqual(READ);
    for (const none of [undefined, null, {}, 'x']) {
      expect(readRecord({ ...RECORD, error_report: none })?.error_report).toEqual([]);
    }
  });

  it('names at most five faults, and says what is no object at all', () => {
    expect(faultsIn({}).split(', ')).toHaveLength(5);
    for (const none of [null, undefined, 5, 'x', []]) {
      expect(readRecord(none)).toBeUndefined();
      expect(faultsIn(none)).toBe('not an object');
    }
  });
});
