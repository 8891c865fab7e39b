// Run by `npm test`; no WebAssembly needed.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describe, judge } from './policy.js';

const bytes = (text) => new TextEncoder().encode(text);

const exec = (path, ...args) => ({
  tag: 'exec',
  val: {
    path: bytes(path), argv: [path.split('/').at(-1), ...args].map((arg) => (typeof arg === 'string' ? bytes(arg) : arg)), scripts: [], cwd: bytes('/home/ann'),
    uid: 70000, tty: true, parents: [bytes('bash')], line: undefined,
  },
});

const command = (text, more = {}) => ({
  words: text.split(' ').filter(Boolean).map((word) => ({ text: bytes(word), kind: word.includes('$') ? 'dynamic' : 'literal' })),
  assignments: [], redirects: [], depth: 0, kind: 'external', ...more,
});

const line = (...commands) => ({ tag: 'line', val: { text: bytes(''), commands, cwd: bytes('/home/ann') } });

const session = {};

const rule = (subject) => {
  const { tag, val } = judge(session, subject);
  return tag === 'allow' ? 'allowed' : val.rule;
};

test('execs are judged by path and arguments', () => {
  const cases = [
    ['allowed', '/usr/bin/uptime'],
    ['uptime', '/usr/bin/uptime', '-p'],
    ['allowed', '/usr/bin/ls', '-la', '/var/log'],
    ['ls', '/usr/bin/ls', '--hyperlink=always'],
    ['ls', '/usr/bin/ls', '/tmp', '-R'],
    ['allowed', '/usr/bin/ls', '--', '-R'],
    ['allowed', '/usr/bin/tail', '-n', '100', '/var/log/messages'],
    ['tail', '/usr/bin/tail', '-n', '10001', '/var/log/messages'],
    ['tail', '/usr/bin/tail', '-n'],
    ['tail', '/usr/bin/tail', '-f', '/var/log/messages'],
    ['tail', '/usr/bin/tail', '/var/log/../../etc/shadow'],
    ['tail', '/usr/bin/tail', '/var/logs'],
    ['allowed', '/usr/bin/systemctl', '--no-pager', 'status', 'sshd.service'],
    ['systemctl', '/usr/bin/systemctl', 'restart', 'sshd'],
    ['systemctl', '/usr/bin/systemctl', 'status', '-H', 'root@elsewhere'],
    ['systemctl', '/usr/bin/systemctl', 'status', '--host=elsewhere'],
    ['program', '/usr/bin/bash', '-c', 'id'],
    ['program', '/tmp/uptime'],
    ['program', '/usr/bin/constructor'],
    ['ls', '/usr/bin/ls', new Uint8Array([0xff])],
  ];
  for (const [want, ...subject] of cases) assert.equal(rule(exec(...subject)), want, subject.join(' '));
  const script = exec('/usr/bin/tail', '/var/log/messages');
  script.val.scripts = [bytes('/home/ann/x')];
  assert.equal(rule(script), 'program');
});

test('lines are judged before anything runs', () => {
  const redirect = (kind, target) => ({ redirects: [{ fd: 1, kind, target: { text: bytes(target), kind: 'literal' } }] });
  const cases = [
    ['allowed', command('uptime'), command('cd /tmp', { kind: 'builtin' })],
    ['tail', command('uptime'), command('tail /etc/shadow')],
    ['allowed', command('tail $FILE')],
    ['program', command('vi /etc/passwd')],
    ['dynamic-name', command('$X')],
    ['builtin', command('eval id', { kind: 'builtin' })],
    ['assignment', command('uptime', { assignments: [bytes('LD_PRELOAD')] })],
    ['redirect', command('uptime', redirect('write', '/etc/passwd'))],
    ['redirect', command('uptime', redirect('read', '/dev/null'))],
    ['allowed', command('uptime', redirect('append', '/dev/null'))],
    ['allowed', command('')],
  ];
  for (const [want, ...commands] of cases) assert.equal(rule(line(...commands)), want, JSON.stringify(commands));
});

test('nothing else is allowed', () => {
  assert.equal(rule({ tag: 'file', val: {} }), 'file');
  assert.equal(rule({ tag: 'forward', val: {} }), 'forward');
  assert.throws(() => rule({ tag: 'dream', val: {} }));
});

test('every refusal fits its bounds, and has a hint where there is an allowed form', () => {
  const { val } = judge(session, exec('/usr/bin/tail', '/etc/shadow'));
  assert.match(val.rule, /^[a-z0-9-]{1,64}$/);
  assert.ok(val.reason.length <= 512 && val.hint === 'tail [-n COUNT] FILE...');
  assert.equal(describe().allowed.length, 4);
});
