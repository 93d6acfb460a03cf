'use strict';
// Says in one line why nothing can start here, and ends the process. It is loaded before all else, and written for any
// Node.js: what it refuses would otherwise end with a stack that names neither cause nor cure.

/** @type {{ readonly engines: { readonly node: string } }} */
const { engines } = require('../package.json');

/** @returns {string | undefined} */
function hindrance() {
  const required = engines.node.replace(/^>=/, '');
  const found = process.version.replace(/^v/, '');
  if (isOlder(found, required)) {
    return 'backfill-gateway needs Node.js ' + required + ' or later; this is ' + found;
  }
  // What is built brings its packages.
  if (require('path').basename(__dirname) !== 'src') return undefined;
  try {
    require.resolve('graphql');
  } catch (_error) {
    return 'the packages that backfill-gateway needs are not installed: run npm ci first';
  }
  return undefined;
}

/**
 * @param {string} version
 * @param {string} other
 */
function isOlder(version, other) {
  const numbers = version.split('.').map(Number);
  const others = other.split('.').map(Number);
  const place = others.findIndex(function (number, index) {
    return numbers[index] !== number;
  });
  return place >= 0 && Number(numbers[place]) < Number(others[place]);
}

const reason = hindrance();
if (reason !== undefined) {
  process.stderr.write(reason + '\n');
  process.exit(1);
}
