// What goes wrong, as users of the SDK meet it: error class, status, `code`, `param`, `type`, and no retry in vain.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { assertPicture, decode } from './pictures.mjs';
import { EXPIRED_KEY, OpenAI, Stack, VISITOR_KEY, newPrompt } from './stack.mjs';

const MODEL = 'gpt-image-2';
const INVALID = 'invalid_request_error';

let stack;
before(async () => {
  stack = await Stack.start();
});
after(() => stack?.stop());

/** Makes the call, expects this failure after a single request, and gives the error. */
async function refused({ call, error, status, code, param = null, type = INVALID, options = {} }) {
  const { client, sent } = stack.client(options);
  const caught = await call(client).then(
    () => assert.fail('nothing was thrown'),
    (thrown) => thrown,
  );
  assert.ok(caught instanceof error, `${caught}`);
  assert.deepEqual([caught.status, caught.code, caught.param, caught.type], [status, code, param, type]);
  assert.deepEqual(Object.keys(caught.error).sort(), ['code', 'message', 'param', 'type']);
  assert.ok(caught.requestID);
  assert.equal(caught.headers.get('x-request-id'), caught.requestID);
  assert.equal(sent.length, 1);
  return caught;
}

const badValues = {
  'size no multiple of 16': [{ size: '1000x1000' }, 'size'],
  'size too small': [{ size: '128x128' }, 'size'],
  'size that is none': [{ size: 'huge' }, 'size'],
  'n of zero': [{ n: 0 }, 'n'],
  'n above ten': [{ n: 11 }, 'n'],
  'n as a text': [{ n: 'two' }, 'n'],
  'quality unknown': [{ quality: 'ultra' }, 'quality'],
  'format unknown': [{ output_format: 'bmp' }, 'output_format'],
  'compression above 100': [{ output_format: 'jpeg', output_compression: 101 }, 'output_compression'],
  'response form unknown': [{ response_format: 'xml' }, 'response_format'],
  'prompt of the wrong type': [{ prompt: 5 }, 'prompt'],
  'prompt above 32,000 characters': [{ prompt: 'a'.repeat(32_001) }, 'prompt'],
  'prompt above 60,000 bytes': [{ prompt: '界'.repeat(20_001) }, 'prompt'],
};
for (const [name, [parameters, param]] of Object.entries(badValues)) {
  test(`a bad value is named and nothing is bought: ${name}`, async () => {
    const prompt = newPrompt();
    await refused({
      call: (client) => client.images.generate({ model: MODEL, prompt, ...parameters }),
      error: OpenAI.BadRequestError,
      status: 400,
      code: 'invalid_value',
      param,
    });
    assert.deepEqual(await stack.tasks(prompt), []);
  });
}

test('a missing prompt is named', () =>
  refused({
    call: (client) => client.images.generate({ model: MODEL }),
    error: OpenAI.BadRequestError,
    status: 400,
    code: 'missing_required_parameter',
    param: 'prompt',
  }));

for (const [name, apiKey] of Object.entries({ unknown: 'sk-nobody', expired: EXPIRED_KEY })) {
  test(`a key that is ${name} is refused once`, async () => {
    const caught = await refused({
      call: (client) => client.images.generate({ model: MODEL, prompt: newPrompt() }),
      error: OpenAI.AuthenticationError,
      status: 401,
      code: 'invalid_api_key',
      options: { apiKey },
    });
    assert.ok(!caught.message.includes(apiKey));
  });
}

test('a model the team may not use is forbidden', () =>
  refused({
    call: (client) => client.images.generate({ model: MODEL, prompt: newPrompt() }),
    error: OpenAI.PermissionDeniedError,
    status: 403,
    code: 'model_not_allowed',
    param: 'model',
    options: { apiKey: VISITOR_KEY },
  }));

test('an unknown model is not found', () =>
  refused({
    call: (client) => client.images.generate({ model: 'no-such-model', prompt: newPrompt() }),
    error: OpenAI.NotFoundError,
    status: 404,
    code: 'model_not_found',
    param: 'model',
  }));

test('a part of the API that is not here is an unknown url', () =>
  refused({
    call: (client) => client.chat.completions.create({ model: MODEL, messages: [{ role: 'user', content: 'hello' }] }),
    error: OpenAI.NotFoundError,
    status: 404,
    code: 'unknown_url',
  }));

test('a body above the limit is refused once, and the answer arrives', () =>
  refused({
    call: (client) => client.images.generate({ model: MODEL, prompt: 'a'.repeat(2_000_000) }),
    error: OpenAI.APIError,
    status: 413,
    code: 'request_too_large',
  }));

const upstreamFaults = {
  '[fail:content_policy_violation]': [OpenAI.BadRequestError, 400, 'moderation_blocked', 'image_generation_user_error'],
  '[fail:unknown_error]': [OpenAI.InternalServerError, 502, 'unknown_error', 'upstream_error'],
  '[media:404]': [OpenAI.InternalServerError, 502, 'result_unavailable', 'upstream_error'],
  '[create:402]': [OpenAI.InternalServerError, 502, 'upstream_account_error', 'upstream_error'],
};
for (const [fault, [error, status, code, type]] of Object.entries(upstreamFaults)) {
  test(`${fault} upstream is told as ${code}, once`, async () => {
    const prompt = newPrompt(fault);
    const call = (client) => client.images.generate({ model: MODEL, prompt, quality: 'low' });
    const caught = await refused({ call, error, status, code, type });
    assert.equal(caught.headers.get('x-should-retry'), 'false');
  });
}

const post = (body, headers) => stack.raw('/v1/images/generations', { method: 'POST', body, headers });
const rawRefusals = {
  'no key': [() => post('{}', { authorization: '', 'content-type': 'application/json' }), 401, 'invalid_api_key'],
  'another method': [() => stack.raw('/v1/images/generations'), 405, 'method_not_allowed'],
  'another media type': [() => post('prompt=x', { 'content-type': 'text/plain' }), 415, 'unsupported_media_type'],
  'no JSON': [() => post('{', { 'content-type': 'application/json' }), 400, 'invalid_json'],
};
for (const [name, [call, status, code]] of Object.entries(rawRefusals)) {
  test(`plain HTTP with ${name} gets the canonical error object`, async () => {
    const answer = await call();
    const { message, ...rest } = (await answer.json()).error;
    assert.equal(answer.status, status);
    assert.ok(message.length > 0);
    assert.deepEqual(rest, { type: INVALID, param: null, code });
    assert.ok(answer.headers.get('x-request-id'));
  });
}

test('a client that leaves early gets its own time-out, and the next one its picture', async () => {
  const { client: hasty, sent } = stack.client({ timeout: 500, maxRetries: 0 });
  await assert.rejects(
    hasty.images.generate({ model: MODEL, prompt: newPrompt('[latency:2s]'), quality: 'low' }),
    OpenAI.APIConnectionTimeoutError,
  );
  assert.equal(sent.length, 1);
  const { client } = stack.client();
  const result = await client.images.generate({ model: MODEL, prompt: newPrompt(), quality: 'low', size: '1024x640' });
  assertPicture(decode(result.data[0]), '1024x640');
});

test('a client that retries after its time-out gets the first picture', async () => {
  const prompt = newPrompt('[latency:2s]');
  const { client, sent } = stack.client({ timeout: 700, maxRetries: 8 });
  const result = await client.images.generate({ model: MODEL, prompt, quality: 'low', size: '1024x640' });
  assertPicture(decode(result.data[0]), '1024x640');
  assert.ok(sent.length > 1, 'the first request should have timed out');
  assert.equal((await stack.tasks(prompt)).length, 1);
});
