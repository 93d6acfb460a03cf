import { createHook } from 'node:async_hooks';
import { onTestFinished } from 'vitest';

interface LookUp {
  readonly hostname?: string;
}

interface Connection {
  readonly address?: string;
}

/** Records every host that this process looks up or connects to until the test ends. */
export function watchContactedHosts(): () => readonly string[] {
  // Both get their host only after their creation.
  const contacts: (LookUp & Connection)[] = [];
  const hook = createHook({
    init(_id, type, _trigger, resource) {
      if (type === 'GETADDRINFOREQWRAP' || type === 'TCPCONNECTWRAP') contacts.push(resource);
    },
  }).enable();
  onTestFinished(() => void hook.disable());
  return () => [...new Set(contacts.map(({ hostname, address }) => hostname ?? address ?? 'unknown'))];
}
