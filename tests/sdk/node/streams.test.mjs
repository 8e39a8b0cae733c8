// `stream: true`: one event with the picture, failures as errors, and nothing lost when a reader leaves.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { assertPicture, decode, drawn } from './pictures.mjs';
import { OpenAI, Stack, newPrompt, toFile } from './stack.mjs';

const MODEL = 'gpt-image-2';

let stack;
let client;
before(async () => {
  stack = await Stack.start();
  ({ client } = stack.client());
});
after(() => stack?.stop());

const cheap = { model: MODEL, quality: 'low', size: '1024x640', stream: true };
const calls = {
  image_generation: async (prompt, parameters = {}, from = client) =>
    from.images.generate({ ...cheap, prompt, ...parameters }),
  image_edit: async (prompt, parameters = {}, from = client) =>
    from.images.edit({ ...cheap, prompt, image: await toFile(drawn(200, 0, 0), 'lamp.png'), ...parameters }),
};

async function all(stream) {
  const events = [];
  for await (const event of stream) events.push(event);
  return events;
}

function assertCompleted(event, kind) {
  assert.equal(event.type, `${kind}.completed`);
  assertPicture(Buffer.from(event.b64_json, 'base64'), '1024x640');
  const { size, quality, background, output_format: format, usage } = event;
  assert.deepEqual([size, quality, background, format], ['1024x640', 'low', 'opaque', 'png']);
  assert.equal(usage.total_tokens, usage.input_tokens + usage.output_tokens);
  assert.ok(event.created_at > 0);
}

// Failures after the head was sent; one that is known at once still gets its true status.
const late = {
  '[fail:content_policy_violation]': ['moderation_blocked', 'image_generation_user_error'],
  '[fail:unknown_error]': ['unknown_error', 'upstream_error'],
};
const early = {
  'two pictures': [{ n: 2 }, OpenAI.BadRequestError, 400, 'invalid_value', 'n'],
  'partial_images above 3': [{ partial_images: 4 }, OpenAI.BadRequestError, 400, 'invalid_value', 'partial_images'],
  'a bad size': [{ size: 'huge' }, OpenAI.BadRequestError, 400, 'invalid_value', 'size'],
  'an unknown model': [{ model: 'no-such-model' }, OpenAI.NotFoundError, 404, 'model_not_found', 'model'],
};

for (const [kind, call] of Object.entries(calls)) {
  test(`a stream ends with the picture: ${kind}`, async () => {
    const prompt = newPrompt();
    const events = await all(await call(prompt, { partial_images: 2 }));
    assert.equal(events.length, 1, 'partial images may be asked for and none are sent');
    assertCompleted(events[0], kind);
    assert.equal((await stack.tasks(prompt)).length, 1);
  });

  test(`leaving after the event is no failure: ${kind}`, async () => {
    for await (const event of await call(newPrompt())) {
      assertCompleted(event, kind);
      break;
    }
    assertCompleted((await all(await call(newPrompt())))[0], kind);
  });

  for (const [fault, [code, type]] of Object.entries(late)) {
    test(`the late failure ${fault} is thrown with its code: ${kind}`, async () => {
      const { client: watched, sent } = stack.client();
      const caught = await call(newPrompt(`[latency:1s] ${fault}`), {}, watched)
        .then(all)
        .then(
          () => assert.fail('nothing was thrown'),
          (thrown) => thrown,
        );
      assert.ok(caught instanceof OpenAI.APIError, `${caught}`);
      assert.equal(caught.status, undefined, 'the status was sent long before');
      assert.deepEqual([caught.code, caught.type], [code, type]);
      assert.deepEqual(Object.keys(caught.error).sort(), ['code', 'message', 'param', 'type']);
      assert.ok(caught.message.includes(caught.error.message));
      assert.equal(sent.length, 1);
    });
  }

  for (const [name, [parameters, error, status, code, param]] of Object.entries(early)) {
    test(`what can be refused is refused before the stream: ${kind}, ${name}`, async () => {
      const { client: watched, sent } = stack.client();
      const prompt = newPrompt();
      const caught = await call(prompt, parameters, watched).then(
        () => assert.fail('nothing was thrown'),
        (thrown) => thrown,
      );
      assert.ok(caught instanceof error, `${caught}`);
      assert.deepEqual([caught.status, caught.code, caught.param], [status, code, param]);
      assert.equal(sent.length, 1);
      assert.deepEqual(await stack.tasks(prompt), []);
    });
  }
}

test('who left before the event gets the picture by asking again', async () => {
  const prompt = newPrompt('[latency:1s]');
  const stream = await calls.image_generation(prompt);
  stream.controller.abort();
  const again = await client.images.generate({ ...cheap, prompt, stream: false });
  assertPicture(decode(again.data[0]), '1024x640');
  assert.equal((await stack.tasks(prompt)).length, 1);
});
