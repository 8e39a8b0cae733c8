// Many calls at once: everybody gets a picture, and everybody their own.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { assertPicture, decode, digest } from './pictures.mjs';
import { Stack, newPrompt } from './stack.mjs';

const CALLS = 100;
const SIZES = ['1024x640', '640x1024', '832x832'];

let stack;
before(async () => {
  stack = await Stack.start();
});
after(() => stack?.stop());

test('a hundred calls at once get a hundred pictures', async () => {
  const { client } = stack.client({ maxRetries: 0 });
  const asked = Array.from({ length: CALLS }, (_, index) => ({ prompt: newPrompt(), size: SIZES[index % 3] }));
  const results = await Promise.all(
    asked.map(({ prompt, size }) => client.images.generate({ model: 'gpt-image-2', prompt, quality: 'low', size })),
  );
  const pictures = results.map((result) => decode(result.data[0]));
  pictures.forEach((picture, index) => assertPicture(picture, asked[index].size));
  assert.equal(new Set(pictures.map(digest)).size, CALLS);
  const bought = (await stack.ledger()).map((task) => task.body.prompt).sort();
  assert.deepEqual(bought, asked.map(({ prompt }) => prompt).sort());
});
