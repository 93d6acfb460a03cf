import { NoSchemaIntrospectionCustomRule } from 'graphql';
import type { Plugin } from 'graphql-yoga';

/**
 * Keeps the schema from those who ask for it. `@graphql-yoga/plugin-disable-introspection` decides that where the body
 * of an HTTP request is read, so whoever asks over a WebSocket is told.
 */
export function useNoIntrospection(): Plugin {
  return {
    onValidate({ addValidationRule }) {
      addValidationRule(NoSchemaIntrospectionCustomRule);
    },
  };
}
