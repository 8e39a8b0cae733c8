// The rest of the SDK that has to do with pictures: variations, Azure's client, generations by their id.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { assertPicture, decode, drawn, fetched } from './pictures.mjs';
import { AzureOpenAI, OpenAI, Stack, TEAM_KEY, newPrompt, toFile } from './stack.mjs';

const MODEL = 'gpt-image-2';
const CHEAP = { model: MODEL, quality: 'low', size: '1024x640' };
const DEADLINE_MS = 20_000;

let stack;
let client;
before(async () => {
  stack = await Stack.start();
  ({ client } = stack.client());
});
after(() => stack?.stop());

const file = () => toFile(drawn(200, 0, 0), 'lamp.png', { type: 'image/png' });

test('a variation is a picture', async () => {
  const result = await client.images.createVariation({ model: MODEL, image: await file(), size: '1024x1024' });
  assertPicture(decode(result.data[0]), '1024x1024');
});

test('a variation by dall-e-2 is a url like the original', async () => {
  const result = await client.images.createVariation({ model: 'dall-e-2', image: await file(), size: '1024x1024' });
  assertPicture(await fetched(result.data[0]), '1024x1024');
});

const azure = (options = {}) =>
  stack.client({ endpoint: stack.api, apiKey: TEAM_KEY, apiVersion: '2025-04-01-preview', ...options }, AzureOpenAI);

test("Azure's client generates", async () => {
  const { client: deployed, sent } = azure();
  const result = await deployed.images.generate({ ...CHEAP, prompt: newPrompt() });
  assertPicture(decode(result.data[0]), '1024x640');
  const url = new URL(sent[0].url);
  assert.equal(url.pathname, `/openai/deployments/${MODEL}/images/generations`);
  assert.ok(url.searchParams.get('api-version'));
  assert.equal(new Headers(sent[0].init.headers).get('api-key'), TEAM_KEY);
});

test("Azure's client edits", async () => {
  // SDK 6 does not read the model out of a form: there the deployment is named beforehand.
  const { client: deployed, sent } = azure({ deployment: MODEL });
  const result = await deployed.images.edit({ ...CHEAP, prompt: newPrompt(), image: await file() });
  assertPicture(decode(result.data[0]), '1024x640');
  assert.equal(new URL(sent[0].url).pathname, `/openai/deployments/${MODEL}/images/edits`);
});

test('a finished generation is found by its id', async () => {
  const call = client.images.generate({ ...CHEAP, prompt: newPrompt() });
  const { data, response } = await call.withResponse();
  const again = await client.get(`/images/generations/${response.headers.get('x-gateway-generation-id')}`);
  assert.equal(again.data[0].b64_json, data.data[0].b64_json);
  assert.equal(again.created, data.created);
});

test('who asks not to wait is told where to look', async () => {
  const prompt = newPrompt('[latency:1s]');
  const headers = { Prefer: 'respond-async' };
  const response = await client.images.generate({ ...CHEAP, prompt }, { headers }).asResponse();
  assert.equal(response.status, 202);
  const location = response.headers.get('location');
  assert.equal(location, `/v1/images/generations/${response.headers.get('x-gateway-generation-id')}`);
  const path = location.slice('/v1'.length);
  const running = await client.get(path);
  assert.ok(['queued', 'running'].includes(running.state), JSON.stringify(running));
  const deadline = Date.now() + DEADLINE_MS;
  let answer = running;
  while (!answer.data && Date.now() < deadline) {
    await sleep(100);
    answer = await client.get(path);
  }
  assertPicture(decode(answer.data[0]), '1024x640');
  assert.equal((await stack.tasks(prompt)).length, 1);
});

test('an unknown id is not found', async () => {
  const { client: watched, sent } = stack.client();
  await assert.rejects(watched.get('/images/generations/gen_0190a5b4c1d27e3f8a9b0c1d2e3f4a5b'), (error) => {
    assert.ok(error instanceof OpenAI.NotFoundError, `${error}`);
    assert.equal(error.code, 'generation_not_found');
    return true;
  });
  assert.equal(sent.length, 1);
});
