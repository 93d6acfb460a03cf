import { describe, expect, it } from 'vitest';
import { readArguments } from '../../src/command-line.ts';
import { COMMAND, type Options, PARTS, readOptions } from './options.ts';

function optionsOf(...args: readonly string[]): Options {
  const { values, operands } = readArguments(COMMAND, args);
  return readOptions(values, operands);
}

describe('the options of the bench', () => {
  it('measure everything beside every peer in six rounds where none are given', () => {
    const { parts, rounds, peers, workloads, pollers, streams, record } = optionsOf();
    expect({ parts, rounds, peers, pollers, streams, record }).toEqual({
      parts: PARTS,
      rounds: 6,
      peers: ['limit', 'yoga', 'mercurius'],
      pollers: 1_000,
      streams: 2_000,
      record: false,
    });
    expect(workloads.map(({ name }) => name)).toEqual(['W1', 'W2', 'W3', 'W4', 'W1u', 'W3u']);
  });

  it('choose parts, workloads and peers', () => {
    const { parts, workloads, peers } = optionsOf('speed', '--workloads', 'W1,W3', '--peers', 'yoga');
    expect([parts, workloads.map(({ name }) => name), peers]).toEqual([['speed'], ['W1', 'W3'], ['yoga']]);
    expect(optionsOf('--peers', 'none').peers).toEqual([]);
  });

  it('compare another Node in what depends on it', () => {
    expect(optionsOf('--node', '24').parts).toEqual(['start', 'speed', 'memory']);
    expect(optionsOf('fleet', '--node', '24').parts).toEqual(['fleet']);
  });

  it.each([
    [['nonsense'], /^there is no part nonsense: speed, /],
    [['--rounds', '0'], '--rounds must be a number from 1 to 1000; got 0'],
    [['--rounds', '1.5'], '--rounds must be a number from 1 to 1000; got 1.5'],
    [['--ttl', 'long'], '--ttl must be a number from 100 to 3600000; got long'],
    [['--workloads', 'W1,W9'], '--workloads: there is no W9'],
    [['--peers', 'yogurt'], '--peers: there is no yogurt: limit, yoga, mercurius'],
    [['--node', '22'], '--node must be one of 24; got 22'],
    [['economy', '--node', '24'], '--node does not go with economy'],
    [['sizing', '--node', '24'], '--node does not go with sizing'],
    [['replicas', '--node', '24'], '--node does not go with replicas'],
    [['--also', 'x=http://example.com/'], /measures http:\/\/127\.0\.0\.1 only/],
    [['--also', 'x'], '--also takes NAME=URL[#PID]; got x'],
  ])('refuse %j with what would be right', (args, message) => {
    expect(() => optionsOf(...args)).toThrow(message);
  });
});
