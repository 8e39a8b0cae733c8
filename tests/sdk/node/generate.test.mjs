// `images.generate` through the whole gateway: what was asked for is what comes back, and what upstream was told.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { assertPicture, decode, digest, fetched } from './pictures.mjs';
import { Stack, imageSize, newPrompt } from './stack.mjs';

const MODEL = 'gpt-image-2';
const LOWEST_UPSTREAM_AREA = 655_360; // pixels; below it Evolink refuses

let stack;
let client;
before(async () => {
  stack = await Stack.start();
  ({ client } = stack.client());
});
after(() => stack?.stop());

/** One cheap generation, unless the parameters say otherwise. */
const generate = (prompt, parameters = {}, from = client) =>
  from.images.generate({ model: MODEL, prompt, quality: 'low', ...parameters });

const upstreamBody = async (prompt) => {
  const [task] = await stack.tasks(prompt);
  return task.body;
};

test('a picture comes back as base64 by default', async () => {
  const prompt = newPrompt();
  const result = await generate(prompt, { size: '1024x1024' });
  assert.equal(result.data.length, 1);
  assertPicture(decode(result.data[0]), '1024x1024');
  assert.deepEqual([result.size, result.quality, result.output_format], ['1024x1024', 'low', 'png']);
  assert.ok(Math.abs(result.created - Date.now() / 1000) < 60);
  assert.ok(result._request_id);
  const { usage } = result;
  assert.equal(usage.total_tokens, usage.input_tokens + usage.output_tokens);
  const body = await upstreamBody(prompt);
  assert.deepEqual([body.model, body.size], [MODEL, '1024x1024']);
});

test('a url leads to the picture', async () => {
  const result = await generate(newPrompt(), { size: '1024x640', response_format: 'url' });
  assertPicture(await fetched(result.data[0]), '1024x640');
});

test('four pictures are four different pictures', async () => {
  const prompt = newPrompt();
  const result = await generate(prompt, { n: 4, size: '1024x640' });
  const pictures = result.data.map(decode);
  for (const picture of pictures) assertPicture(picture, '1024x640');
  assert.equal(new Set(pictures.map(digest)).size, 4);
  assert.equal((await stack.tasks(prompt)).length, 4);
});

for (const size of ['1536x1024', '1024x1536', '1792x1024']) {
  test(`the pixel size ${size} holds`, async () => {
    const result = await generate(newPrompt(), { size });
    assertPicture(decode(result.data[0]), size);
    assert.equal(result.size, size);
  });
}

test('a ratio with a resolution is passed on', async () => {
  const prompt = newPrompt();
  const result = await generate(prompt, { size: '16:9', resolution: '1K' });
  const { width, height } = imageSize(decode(result.data[0]));
  assert.ok(Math.abs(width / height / (16 / 9) - 1) < 0.03);
  assert.equal(result.size, `${width}x${height}`);
  const body = await upstreamBody(prompt);
  assert.deepEqual([body.size, body.resolution], ['16:9', '1K']);
});

test('size auto names the size that was made', async () => {
  const result = await generate(newPrompt(), { size: 'auto' });
  assertPicture(decode(result.data[0]), result.size);
});

for (const size of ['256x256', '512x512']) {
  test(`the old small size ${size} is made larger and scaled down`, async () => {
    const prompt = newPrompt();
    const result = await client.images.generate({ model: 'dall-e-2', prompt, size, response_format: 'b64_json' });
    assertPicture(decode(result.data[0]), size);
    const [width, height] = (await upstreamBody(prompt)).size.split('x').map(Number);
    assert.ok(width === height && width * height >= LOWEST_UPSTREAM_AREA);
  });
}

for (const [asked, effective] of Object.entries({ auto: 'medium', standard: 'medium', hd: 'high', high: 'high' })) {
  test(`quality ${asked} means ${effective}`, async () => {
    const prompt = newPrompt();
    const result = await generate(prompt, { quality: asked, size: '1024x640' });
    assert.equal(result.quality, effective);
    assert.equal((await upstreamBody(prompt)).quality ?? 'medium', effective);
  });
}

for (const [asked, type] of Object.entries({ png: 'png', jpeg: 'jpg', webp: 'webp' })) {
  test(`the output format ${asked} holds in the bytes`, async () => {
    const result = await generate(newPrompt(), { output_format: asked, size: '1024x640' });
    assert.equal(result.output_format, asked);
    assertPicture(decode(result.data[0]), '1024x640', type);
  });
}

for (const [asked, type] of Object.entries({ jpeg: 'jpg', webp: 'webp' })) {
  test(`more compression makes a smaller ${asked} file`, async () => {
    const made = async (output_compression) => {
      const parameters = { output_format: asked, output_compression, size: '1024x640' };
      return decode((await generate(newPrompt(), parameters)).data[0]);
    };
    const [rough, fine] = [await made(5), await made(95)];
    for (const picture of [rough, fine]) assertPicture(picture, '1024x640', type);
    assert.ok(rough.length < fine.length);
  });
}

test('dall-e-3 answers with a url like the original', async () => {
  const prompt = newPrompt();
  const result = await client.images.generate({ model: 'dall-e-3', prompt, size: '1792x1024', quality: 'standard' });
  assertPicture(await fetched(result.data[0]), '1792x1024');
  assert.equal((await upstreamBody(prompt)).model, MODEL);
});

test('gpt-image-1 answers with base64 like the original', async () => {
  const prompt = newPrompt();
  const result = await client.images.generate({ model: 'gpt-image-1', prompt, size: 'auto', quality: 'auto' });
  assertPicture(decode(result.data[0]), result.size);
  assert.equal((await upstreamBody(prompt)).model, MODEL);
});

test('null is the same as absent', async () => {
  const prompt = newPrompt();
  const names = ['size', 'quality', 'n', 'background', 'output_format', 'output_compression', 'response_format'];
  const nulls = Object.fromEntries([...names, 'user', 'style', 'moderation', 'stream'].map((name) => [name, null]));
  const { data, response } = await client.images.generate({ model: MODEL, prompt, ...nulls }).withResponse();
  assertPicture(decode(data.data[0]), data.size);
  assert.equal(response.headers.get('x-gateway-ignored'), null);
});

test('the answer carries its headers', async () => {
  const prompt = newPrompt();
  const response = await generate(prompt, { n: 2, user: 'somebody', style: 'vivid' }).asResponse();
  const { headers } = response;
  assert.equal(headers.get('content-type').split(';')[0], 'application/json');
  assert.equal(Number(headers.get('content-length')), (await response.arrayBuffer()).byteLength);
  assert.ok(headers.get('x-request-id'));
  assert.match(headers.get('x-gateway-generation-id'), /^gen_/);
  assert.ok(Number(headers.get('openai-processing-ms')) > 0);
  const ids = headers.get('x-evolink-task-ids').split(',').map((id) => id.trim());
  assert.deepEqual(ids.sort(), (await stack.tasks(prompt)).map((task) => task.id).sort());
  const ignored = headers.get('x-gateway-ignored').split(',').map((name) => name.trim());
  assert.deepEqual(ignored.sort(), ['style', 'user']);
});

for (const fault of ['[create:429*1;retry-after=1]', '[create:lost*1]', '[media:truncated*1]']) {
  test(`one call stays one request and one task through ${fault}`, async () => {
    const prompt = newPrompt(fault);
    const { client: counted, sent } = stack.client();
    const result = await generate(prompt, { size: '1024x640' }, counted);
    assertPicture(decode(result.data[0]), '1024x640');
    assert.equal(sent.length, 1);
    assert.equal((await stack.tasks(prompt)).length, 1);
  });
}
