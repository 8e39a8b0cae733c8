// The Vercel AI SDK: `generateImage` through its own OpenAI provider, and through the one for compatible servers.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { assertPicture, digest, drawn, mask } from '../node/pictures.mjs';
import { Stack, TEAM_KEY, newPrompt } from '../node/stack.mjs';

const packages = createRequire(join(process.cwd(), 'package.json'));
const { APICallError, generateImage } = packages('ai');
const { createOpenAI } = packages('@ai-sdk/openai');
const { createOpenAICompatible } = packages('@ai-sdk/openai-compatible');

const MODEL = 'gpt-image-2';
const SIZE = '1024x640';

let stack;
before(async () => {
  stack = await Stack.start();
});
after(() => stack?.stop());

const way = () => ({ baseURL: `${stack.api}/v1`, apiKey: TEAM_KEY });
const providers = {
  '@ai-sdk/openai': () => createOpenAI(way()).image(MODEL),
  '@ai-sdk/openai-compatible': () => createOpenAICompatible({ name: 'gateway', ...way() }).imageModel(MODEL),
};
const bytes = (image) => Buffer.from(image.uint8Array);

for (const [name, model] of Object.entries(providers)) {
  test(`a picture is made: ${name}`, async () => {
    const prompt = newPrompt();
    const { image } = await generateImage({ model: model(), prompt, size: SIZE });
    assertPicture(bytes(image), SIZE);
    assert.equal((await stack.tasks(prompt)).length, 1);
  });

  test(`two pictures are two different pictures: ${name}`, async () => {
    const { images } = await generateImage({ model: model(), prompt: newPrompt(), size: SIZE, n: 2 });
    for (const image of images) assertPicture(bytes(image), SIZE);
    assert.equal(new Set(images.map((image) => digest(bytes(image)))).size, 2);
  });

  test(`a picture is edited, with a mask: ${name}`, async () => {
    const text = newPrompt('[latency:1s]');
    const sent = { picture: drawn(200, 0, 0), hole: mask() };
    const prompt = { text, images: [sent.picture], mask: sent.hole };
    const call = () => generateImage({ model: model(), prompt, size: SIZE });
    const { answer, pictures, mask: hole } = await stack.whileRunning(text, call);
    assertPicture(bytes(answer.image), SIZE);
    assert.deepEqual(pictures.map(digest), [digest(sent.picture)]);
    assert.equal(digest(hole), digest(sent.hole));
  });

  test(`several pictures keep their order: ${name}`, async () => {
    const text = newPrompt('[latency:1s]');
    const sent = [drawn(200, 0, 0), drawn(0, 200, 0), drawn(0, 0, 200)];
    const call = () => generateImage({ model: model(), prompt: { text, images: sent }, size: SIZE });
    const { answer, pictures } = await stack.whileRunning(text, call);
    assertPicture(bytes(answer.image), SIZE);
    assert.deepEqual(pictures.map(digest), sent.map(digest));
  });

  test(`a refusal is told with its message: ${name}`, async () => {
    await assert.rejects(generateImage({ model: model(), prompt: newPrompt(), size: '1000x1000' }), (error) => {
      assert.ok(APICallError.isInstance(error), `${error}`);
      assert.equal(error.statusCode, 400);
      assert.match(error.message, /1000x1000/);
      return true;
    });
  });
}
