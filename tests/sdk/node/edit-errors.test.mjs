// What goes wrong with `images.edit`: the picture at fault is named, nothing is bought, no upload is repeated in vain.

import assert from 'node:assert/strict';
import { createReadStream, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { drawn, mask } from './pictures.mjs';
import { OpenAI, Stack, newPrompt, toFile } from './stack.mjs';

const MODEL = 'gpt-image-2';
const INVALID = 'invalid_request_error';
const EDITS = '/v1/images/edits';
const BIG = 60_000_000; // bytes: more than the model takes of one picture, less than the gateway takes of one request
const HUGE = 120_000_000; // bytes: more than server.max_upload

let stack;
before(async () => {
  stack = await Stack.start();
});
after(() => stack?.stop());

const file = (bytes, name = 'lamp.png') => toFile(bytes, name, { type: 'image/png' });
const plain = () => file(drawn(200, 0, 0));
const padded = (length) => Buffer.concat([drawn(200, 0, 0), Buffer.alloc(length)]).subarray(0, length);

/** Makes the edit, expects this failure after a single request that buys nothing, and gives the error. */
async function refused(parameters, { error, status, code, param, options = {} }) {
  const { client, sent } = stack.client(options);
  const prompt = newPrompt();
  const caught = await client.images.edit({ model: MODEL, prompt, quality: 'low', ...parameters }).then(
    () => assert.fail('nothing was thrown'),
    (thrown) => thrown,
  );
  assert.ok(caught instanceof error, `${caught}`);
  assert.deepEqual([caught.status, caught.code, caught.type], [status, code, INVALID]);
  if (param !== undefined) assert.equal(caught.param, param);
  assert.deepEqual(Object.keys(caught.error).sort(), ['code', 'message', 'param', 'type']);
  assert.ok(caught.requestID);
  assert.equal(sent.length, 1);
  assert.deepEqual(await stack.tasks(prompt), []);
  return caught;
}

const unusable = {
  'a text': () => file(Buffer.from('this is no picture')),
  'nothing at all': () => file(Buffer.alloc(0)),
  'half a PNG': () => file(drawn(200, 0, 0).subarray(0, 200)),
  'a good one and a bad one': async () => [await plain(), await file(Buffer.from('this is no picture'))],
};
for (const [name, image] of Object.entries(unusable)) {
  test(`a file that is no usable picture is named: ${name}`, async () => {
    const expected = { error: OpenAI.BadRequestError, status: 400, code: 'invalid_image', param: 'image' };
    await refused({ image: await image() }, expected);
  });
}

test('seventeen pictures are too many', async () => {
  const image = await Promise.all(Array.from({ length: 17 }, (_, index) => file(drawn(index, 100, 100))));
  await refused({ image }, { error: OpenAI.BadRequestError, status: 400, code: 'invalid_value', param: 'image' });
});

test('a mask of another size is named', async () => {
  const parameters = { image: await plain(), mask: await file(mask({ height: 256 }), 'mask.png') };
  await refused(parameters, { error: OpenAI.BadRequestError, status: 400, code: 'invalid_image', param: 'mask' });
});

for (const [name, [parameters, param]] of Object.entries({
  'n of zero': [{ n: 0 }, 'n'],
  'a size that is none': [{ size: 'huge' }, 'size'],
  'a quality that is none': [{ quality: 'ultra' }, 'quality'],
})) {
  test(`a bad field of the form is named: ${name}`, async () => {
    const expected = { error: OpenAI.BadRequestError, status: 400, code: 'invalid_value', param };
    await refused({ image: await plain(), ...parameters }, expected);
  });
}

for (const [name, length] of Object.entries({ "the model's limit": BIG, "the gateway's limit": HUGE })) {
  test(`an upload above ${name} is refused once, and the answer arrives`, async () => {
    const before = await stack.requests(EDITS, 413);
    const image = await file(padded(length));
    await refused({ image }, { error: OpenAI.APIError, status: 413, code: 'request_too_large' });
    assert.equal((await stack.requests(EDITS, 413)) - before, 1);
  });
}

test('a stream of the disk above the limit is refused, and the answer arrives', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'evolink-gateway-pictures-'));
  const path = join(folder, 'lamp.png');
  writeFileSync(path, padded(BIG));
  try {
    const image = createReadStream(path);
    await refused({ image }, { error: OpenAI.APIError, status: 413, code: 'request_too_large' });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('a wrong key is refused once, whatever the upload', async () => {
  const options = { apiKey: 'sk-nobody' };
  const expected = { error: OpenAI.AuthenticationError, status: 401, code: 'invalid_api_key', param: null, options };
  await refused({ image: await file(padded(20_000_000)) }, expected);
});

test('a failure upstream is told once', async () => {
  const { client, sent } = stack.client();
  const prompt = newPrompt('[fail:image_processing_error]');
  const call = client.images.edit({ model: MODEL, prompt, quality: 'low', image: await plain() });
  await assert.rejects(call, (error) => {
    assert.ok(error instanceof OpenAI.BadRequestError, `${error}`);
    assert.deepEqual([error.status, error.code, error.type], [400, 'invalid_image', INVALID]);
    return true;
  });
  assert.equal(sent.length, 1);
});
