// Makes the component: `npm run build` writes policy.wasm.

import { componentize } from '@bytecodealliance/componentize-js';
import { writeFile } from 'node:fs/promises';

const { component, imports } = await componentize({
  sourcePath: 'policy.js',
  witPath: 'wit',
  worldName: 'policy',
  // a module has no WASI: whatever would import some of it is off
  disableFeatures: ['stdio', 'random', 'clocks', 'http', 'fetch-event'],
});
const strangers = imports.filter(([name]) => !name.startsWith('portcullis:policy/'));
if (strangers.length > 0) throw new Error(`the component imports ${strangers.join(', ')}`);
await writeFile('policy.wasm', component);
console.log(`policy.wasm: ${component.byteLength} bytes`);
