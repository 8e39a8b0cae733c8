// Budgets, rates and bounds as users of the SDK meet them: what is worth a retry is retried, and nothing else.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { assertPicture, decode } from './pictures.mjs';
import { HASTY_KEY, MODEST_KEY, OpenAI, Stack, THRIFTY_KEY, newPrompt } from './stack.mjs';

const SMALL = { model: 'gpt-image-2', size: '816x816', quality: 'low' };
const REQUESTS_PER_MINUTE = 30;

let stack;
before(async () => {
  stack = await Stack.start();
});
after(() => stack?.stop());

/** What the call throws; it must be of this class. */
async function thrown(error, call) {
  const caught = await call.then(
    () => assert.fail('nothing was thrown'),
    (reason) => reason,
  );
  assert.ok(caught instanceof error, `${caught}`);
  return caught;
}

test('a spent budget is told once', async () => {
  const { client, sent } = stack.client({ apiKey: THRIFTY_KEY, maxRetries: 5 });
  await client.images.generate({ ...SMALL, prompt: newPrompt() });
  sent.length = 0;
  const prompt = newPrompt();
  const caught = await thrown(OpenAI.RateLimitError, client.images.generate({ ...SMALL, prompt }));
  assert.deepEqual([caught.status, caught.code, caught.type], [429, 'insufficient_quota', 'insufficient_quota']);
  assert.match(caught.message, /1 images per total.*does not begin anew/);
  assert.equal(caught.headers.get('x-should-retry'), 'false');
  assert.equal(sent.length, 1);
  assert.deepEqual(await stack.tasks(prompt), []);
});

test('a rate is waited out as told', async () => {
  const { client, sent } = stack.client({ apiKey: HASTY_KEY, maxRetries: 3 });
  const prompt = newPrompt();
  let refused;
  while (refused === undefined) {
    // The first makes a picture, the others are answered with it.
    await client.images.generate({ ...SMALL, prompt }, { maxRetries: 0 }).catch((error) => (refused = error));
  }
  assert.ok(refused instanceof OpenAI.RateLimitError, `${refused}`);
  assert.ok(sent.length > REQUESTS_PER_MINUTE, `${sent.length}`);
  assert.deepEqual([refused.code, refused.type], ['rate_limit_exceeded', 'rate_limit_error']);
  assert.equal(refused.headers.get('x-should-retry'), 'true');
  assert.match(refused.headers.get('retry-after'), /^[12]$/);
  sent.length = 0;
  const began = performance.now();
  const { data, response } = await client.images.generate({ ...SMALL, prompt }).withResponse();
  assertPicture(decode(data.data[0]), '816x816');
  assert.equal(sent.length, 2);
  assert.ok(performance.now() - began >= 1000);
  const told = (part) => response.headers.get(`x-ratelimit-${part}`);
  assert.equal(told('limit-requests'), '30');
  assert.ok(Number(told('remaining-requests')) < REQUESTS_PER_MINUTE);
  assert.equal(told('limit-images'), '240');
  assert.match(told('reset-requests'), /^(1m0s|\d\d(\.\d{1,3})?s)$/);
  assert.equal((await stack.tasks(prompt)).length, 1);
});

test('a team without limits is told none', async () => {
  const { client } = stack.client();
  const { response } = await client.images.generate({ ...SMALL, prompt: newPrompt() }).withResponse();
  assert.deepEqual(
    [...response.headers.keys()].filter((name) => name.startsWith('x-ratelimit-')),
    [],
  );
});

const forbidden = { n: { n: 3 }, quality: { quality: 'high' }, size: { size: '2048x2048' } };
for (const [param, parameters] of Object.entries(forbidden)) {
  test(`what the team may not ask for is forbidden: ${param}`, async () => {
    const { client, sent } = stack.client({ apiKey: MODEST_KEY });
    const prompt = newPrompt();
    const call = client.images.generate({ ...SMALL, prompt, ...parameters });
    const caught = await thrown(OpenAI.PermissionDeniedError, call);
    assert.deepEqual([caught.status, caught.code, caught.param], [403, 'limit_exceeded', param]);
    assert.equal(sent.length, 1);
    assert.deepEqual(await stack.tasks(prompt), []);
  });
}
