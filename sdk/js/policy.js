// The module: what Portcullis asks, answered from the table in rules.js.
//
// A record is an object with its fields in camelCase, a variant is { tag, val }, an enum a string, `list<u8>` a Uint8Array,
// an option without a value undefined, and u64 a BigInt. What is thrown is a denial, and a fault on record.

import { COMMANDS, judgeArguments, judgeCommand } from './rules.js';

const FOLDERS = ['/usr/bin/', '/usr/sbin/'];

export function describe() {
  return {
    name: 'policy-name',
    version: '0.1.0',
    action: 'INFRA_DIAG',
    roles: ['cps'],
    // the verdict depends on the subject alone
    pure: true,
    allowed: Object.values(COMMANDS).map(({ form, note }) => ({ form, note })),
  };
}

export function judge(session, subject) {
  switch (subject.tag) {
    case 'exec': return verdict(judgeExec(subject.val));
    case 'line': return verdict(judgeLine(subject.val));
    case 'file': return deny('file', 'files are not transferred in this action', '');
    case 'forward': return deny('forward', 'connections are not forwarded in this action', '');
    default: throw new Error('an unknown kind of subject');
  }
}

// An exec is the authority: the program is known by its canonical path, whatever it is called by.
function judgeExec({ path, argv, scripts }) {
  const image = text(path);
  const folder = FOLDERS.find((folder) => image?.startsWith(folder));
  const name = folder && image.slice(folder.length);
  if (!name || !Object.hasOwn(COMMANDS, name) || scripts.length > 0) {
    return { rule: 'program', reason: 'this program is not allowed', hint: 'allowed' };
  }
  return judgeArguments(name, argv.slice(1).map(text));
}

// A line is judged for the operator, before anything runs: the first refusal refuses the whole. Every exec is asked again.
function judgeLine({ commands }) {
  for (const { words, assignments, redirects, kind } of commands) {
    const command = {
      words: words.map((word) => (word.kind === 'literal' ? text(word.text) : null)),
      assigns: assignments.length > 0,
      redirects: redirects.map(({ kind, target }) => ({ kind, target: target.kind === 'literal' ? text(target.text) : null })),
      kind,
    };
    const refusal = judgeCommand(command);
    if (refusal) return refusal;
  }
  return null;
}

// Bytes as text; null when they are not UTF-8, which no rule allows.
function text(bytes) {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}

function verdict(refusal) {
  return refusal ? deny(refusal.rule, refusal.reason, refusal.hint) : allow();
}

function deny(rule, reason, hint) {
  return { tag: 'deny', val: { rule, reason, hint } };
}

// Confined as the session is, and no further.
function allow() {
  return {
    tag: 'allow',
    val: {
      runAs: undefined, read: undefined, write: undefined, execute: undefined, network: { tag: 'session' }, children: 'judged',
      capabilities: [], environment: undefined, timeLimitMs: undefined,
    },
  };
}
