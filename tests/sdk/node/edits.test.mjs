// `images.edit`: pictures go in by every way the SDK has, reach upstream unchanged and in order, and one comes back.

import assert from 'node:assert/strict';
import { createReadStream, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { assertPicture, decode, digest, drawn, fetched, mask } from './pictures.mjs';
import { Stack, newPrompt, toFile } from './stack.mjs';

const MODEL = 'gpt-image-2';
const SLOWLY = '[latency:1s]'; // time to look at what upstream was given

let stack;
let client;
let folder;
before(async () => {
  stack = await Stack.start();
  ({ client } = stack.client());
  folder = mkdtempSync(join(tmpdir(), 'evolink-gateway-pictures-'));
});
after(async () => {
  rmSync(folder, { recursive: true });
  await stack?.stop();
});

/** One cheap edit, unless the parameters say otherwise. */
const edit = (prompt, image, parameters = {}, from = client) =>
  from.images.edit({ model: MODEL, prompt, image, quality: 'low', size: '1024x640', ...parameters });

function inAFile(picture) {
  const path = join(folder, 'lamp.png');
  writeFileSync(path, picture);
  return path;
}

const ways = {
  'a file of the disk': (picture) => createReadStream(inAFile(picture)),
  'a list of one file of the disk': (picture) => [createReadStream(inAFile(picture))],
  'toFile with a type': (picture) => toFile(picture, 'lamp.png', { type: 'image/png' }),
  'toFile without a type': (picture) => toFile(picture, 'lamp.png'),
  'toFile with a wrong type': (picture) => toFile(picture, 'lamp.jpg', { type: 'image/jpeg' }),
  'toFile without a name': (picture) => toFile(picture),
  'a list of one': async (picture) => [await toFile(picture, 'lamp.png', { type: 'image/png' })],
  'a File': (picture) => new File([picture], 'lamp.png', { type: 'image/png' }),
};
for (const [name, given] of Object.entries(ways)) {
  test(`a picture goes in as ${name}`, async () => {
    const [prompt, picture] = [newPrompt(SLOWLY), drawn(200, 0, 0)];
    const image = await given(picture);
    const { answer, pictures } = await stack.whileRunning(prompt, () => edit(prompt, image));
    assertPicture(decode(answer.data[0]), '1024x640');
    assert.deepEqual(pictures.map(digest), [digest(picture)]);
  });
}

test('a body without a length arrives whole', async () => {
  const [prompt, picture] = [newPrompt(SLOWLY), drawn(1, 2, 3)];
  const { client: watched, sent } = stack.client();
  const image = createReadStream(inAFile(picture));
  const { pictures } = await stack.whileRunning(prompt, () => edit(prompt, image, {}, watched));
  assert.equal(sent.length, 1);
  assert.equal(new Headers(sent[0].init.headers).get('content-length'), null);
  assert.deepEqual(pictures.map(digest), [digest(picture)]);
});

test('several pictures and a mask keep their order', async () => {
  const prompt = newPrompt(SLOWLY);
  const sent = [drawn(200, 0, 0), drawn(0, 200, 0), drawn(0, 0, 200), drawn(0, 200, 0)];
  const image = await Promise.all(sent.map((picture) => toFile(picture, 'lamp.png', { type: 'image/png' })));
  const parameters = { mask: await toFile(mask(), 'mask.png', { type: 'image/png' }) };
  const { answer, pictures, mask: hole } = await stack.whileRunning(prompt, () => edit(prompt, image, parameters));
  assertPicture(decode(answer.data[0]), '1024x640');
  assert.deepEqual(pictures.map(digest), sent.map(digest));
  assert.equal(digest(hole), digest(mask()));
});

test('two pictures are two different pictures', async () => {
  const prompt = newPrompt();
  const result = await edit(prompt, await toFile(drawn(200, 0, 0), 'lamp.png'), { n: 2 });
  const pictures = result.data.map(decode);
  for (const picture of pictures) assertPicture(picture, '1024x640');
  assert.equal(new Set(pictures.map(digest)).size, 2);
  assert.equal((await stack.tasks(prompt)).length, 2);
});

test('a url leads to the picture', async () => {
  const result = await edit(newPrompt(), await toFile(drawn(200, 0, 0), 'lamp.png'), { response_format: 'url' });
  assertPicture(await fetched(result.data[0]), '1024x640');
});

test('parameters sent as form fields have their effect', async () => {
  const parameters = { output_format: 'jpeg', output_compression: 40, quality: 'high', user: 'somebody' };
  const image = await toFile(drawn(200, 0, 0), 'lamp.png');
  const { data, response } = await edit(newPrompt(), image, parameters).withResponse();
  assert.deepEqual([data.output_format, data.quality], ['jpeg', 'high']);
  assertPicture(decode(data.data[0]), '1024x640', 'jpg');
  assert.equal(response.headers.get('x-gateway-ignored'), 'user');
});

test('size and quality may be auto', async () => {
  const result = await edit(newPrompt(), await toFile(drawn(200, 0, 0), 'lamp.png'), { size: 'auto', quality: 'auto' });
  assertPicture(decode(result.data[0]), result.size);
});

test('the JSON form takes data URLs', async () => {
  const [prompt, picture] = [newPrompt(SLOWLY), drawn(9, 9, 200)];
  const images = [{ image_url: `data:image/png;base64,${picture.toString('base64')}` }];
  const body = { model: MODEL, prompt, quality: 'low', size: '1024x640', images };
  const { answer, pictures } = await stack.whileRunning(prompt, async () => client.post('/images/edits', { body }));
  assertPicture(decode(answer.data[0]), '1024x640');
  assert.deepEqual(pictures.map(digest), [digest(picture)]);
});
