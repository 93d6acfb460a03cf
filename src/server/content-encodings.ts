/** Those in which something large may be answered. */
export type Encoding = 'br' | 'gzip' | 'identity';

/** The first of those on offer that the client accepts (RFC 9110, 12.5.3). */
export function encodingFor<Offered extends Encoding>(
  accepted: string | undefined,
  offered: readonly Offered[],
): Offered | 'identity' {
  const weights = new Map(
    (accepted ?? '').split(',').map((part) => {
      const [coding = '', ...parameters] = part.split(';').map((text) => text.trim().toLowerCase());
      const weight = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2) ?? '1';
      return [coding, Number(weight)] as const;
    }),
  );
  const accepts = (coding: Encoding): boolean => (weights.get(coding) ?? weights.get('*') ?? 0) > 0;
  return offered.find(accepts) ?? 'identity';
}
