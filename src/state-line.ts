import type { Config, Environment } from './config.ts';
import { effectiveConfig } from './effective-config.ts';

/** What the process knows of itself. Sizes are in bytes. */
export interface ProcessFacts {
  /** The version of Node.js. */
  readonly node: string;
  readonly uptimeSeconds: number;
  readonly memory: {
    readonly resident: number;
    readonly heapUsed: number;
    readonly heapTotal: number;
    /** Where the heap may grow no further. */
    readonly heapLimit: number;
    /** What objects hold outside of the heap, such as buffers. */
    readonly external: number;
  };
}

/** `starting` until it listens and is ready; `draining` from the signal to stop on. */
export type Phase = 'starting' | 'serving' | 'draining';

/** Settings by their names, as {@link shownSettings} gives them. */
type ShownSettings = ReturnType<typeof effectiveConfig>;

/** The fields of the log line `state`, which a person pastes into a ticket. None is secret, and none names a customer. */
export interface StateFields extends ProcessFacts {
  readonly phase: Phase;
  readonly version: string;
  /** Missing where the settings have not been read. */
  readonly config?: ShownSettings;
  /** Numbers under fixed names. */
  readonly [more: string]: unknown;
}

/** The settings without secrets. A ticket needs to say whether there is a default team, and not whose it is. */
export function shownSettings(config: Config, env: Environment): ShownSettings {
  const hasTeam = config.SUPERMETRICS_TEAM_ID !== undefined;
  return { ...effectiveConfig(config, env), SUPERMETRICS_TEAM_ID: hasTeam ? 'set' : null };
}

/** Of the whole line, with its line break. */
export const MAX_STATE_BYTES = 16 * 1024;
/** For what the log adds: the level, the time, `msg`. */
const ADDED_BYTES = 256;

/**
 * Makes the line fit into {@link MAX_STATE_BYTES}. Operators choose the lengths of settings alone, so the longest of these
 * give way, each as a whole, to a remark that says how long they are.
 */
export function fitted(fields: StateFields): StateFields {
  const { config = {} } = fields;
  let excess = bytesOf(fields) - (MAX_STATE_BYTES - ADDED_BYTES);
  const shown: Record<string, ShownSettings[string]> = { ...config };
  const sizes = Object.entries(shown).map(([name, value]) => ({ name, bytes: bytesOf(value) }));
  for (const { name, bytes } of sizes.sort((a, b) => b.bytes - a.bytes)) {
    if (excess <= 0) break;
    const remark = `left out, since it has ${bytes} bytes`;
    excess -= bytes - bytesOf(remark);
    shown[name] = remark;
  }
  return { ...fields, ...(fields.config && { config: shown }) };
}

function bytesOf(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value));
}
