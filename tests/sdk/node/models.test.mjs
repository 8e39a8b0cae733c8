// `models.list` and `models.retrieve`.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { OpenAI, Stack } from './stack.mjs';

const MODEL = 'gpt-image-2';

let stack;
before(async () => {
  stack = await Stack.start();
});
after(() => stack?.stop());

test('the list has the models a key may use, and each is retrieved as it is listed', async () => {
  const { client } = stack.client();
  const models = [];
  for await (const model of client.models.list()) models.push(model);
  const listed = models.find((model) => model.id === MODEL);
  assert.equal(listed.object, 'model');
  assert.ok(Number.isInteger(listed.created) && listed.owned_by);
  assert.deepEqual({ ...(await client.models.retrieve(MODEL)) }, { ...listed });
});

test('a percent-encoded id is the same model', async () => {
  const answer = await stack.raw('/v1/models/gpt%2Dimage%2D2');
  assert.equal(answer.status, 200);
  assert.equal((await answer.json()).id, MODEL);
});

for (const name of ['no-such-model', 'black-forest-labs/FLUX.1 dev']) {
  test(`the unknown model ${name} is not found by its own name`, async () => {
    const { client, sent } = stack.client();
    await assert.rejects(client.models.retrieve(name), (error) => {
      assert.ok(error instanceof OpenAI.NotFoundError);
      assert.deepEqual([error.status, error.code, error.param], [404, 'model_not_found', 'model']);
      return error.message.includes(name);
    });
    assert.equal(sent.length, 1);
  });
}
