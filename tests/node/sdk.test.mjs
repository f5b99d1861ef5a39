// The official `openai` package for Node, unmodified, over plain HTTP and TLS, against each dialect.
import assert from "node:assert/strict";
import { describe, it } from "node:test";

import OpenAI from "openai";

const env = process.env;
const transports = {
  plain: { baseURL: env.HUNTAZE_PLAIN, apiKey: env.HUNTAZE_PLAIN_KEY },
  tls: { baseURL: env.HUNTAZE_TLS, apiKey: env.HUNTAZE_TLS_KEY },
};
const dialects = ["openai", "azure-openai", "foundry-v1", "foundry-models"];
const ask = (content) => [{ role: "user", content }];
const weather = [
  {
    type: "function",
    function: {
      name: "weather_at",
      description: "Today's weather at a place",
      parameters: {
        type: "object",
        properties: { place: { type: "string" } },
        required: ["place"],
        additionalProperties: false,
      },
    },
  },
];
const pixel =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
let marks = 0;
const mark = (what) => `${what}-${process.pid}-${++marks}`;

async function requestWith(text) {
  const requests = await (await fetch(`${env.HUNTAZE_SIM}/sim/requests`)).json();
  return requests.findLast((request) => request.body.includes(text));
}

// Asks again until the probe gives something true, for ten seconds at most.
async function eventually(probe) {
  const end = Date.now() + 10_000;
  for (;;) {
    const value = await probe();
    if (value || Date.now() > end) return value;
    await new Promise((wake) => setTimeout(wake, 2));
  }
}

async function collect(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}

const textOf = (chunks) => chunks.map((chunk) => chunk.choices[0]?.delta?.content ?? "").join("");

for (const [transport, where] of Object.entries(transports)) {
  for (const dialect of dialects) {
    const make = (more = {}) => new OpenAI({ ...where, maxRetries: 0, timeout: 30_000, ...more });
    const client = make();
    const model = (name) => `${dialect}.${name}`;

    describe(`${transport}, ${dialect}`, () => {
      it("answers a chat with usage", async () => {
        const answer = await client.chat.completions.create({ model: model("chat"), messages: ask("Say hello.") });
        assert.equal(answer.object, "chat.completion");
        assert.ok(answer.choices[0].message.content);
        assert.equal(answer.choices[0].finish_reason, "stop");
        assert.equal(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens);
        assert.ok(answer._request_id);
      });

      it("streams the same text as the whole answer, without usage chunks", async () => {
        const question = { model: model("chat"), messages: ask("Tell me about rain.") };
        const whole = await client.chat.completions.create(question);
        const chunks = await collect(await client.chat.completions.create({ ...question, stream: true }));
        assert.ok(chunks.every((chunk) => chunk.choices.length === 1));
        assert.equal(textOf(chunks), whole.choices[0].message.content);
        const finished = chunks.map((chunk) => chunk.choices[0].finish_reason).filter(Boolean);
        assert.deepEqual(finished, ["stop"]); // Azure's filter may report behind it
      });

      it("ends a stream with usage by one usage chunk", async () => {
        const question = { model: model("chat"), messages: ask("Count me.") };
        const whole = await client.chat.completions.create(question);
        const chunks = await collect(
          await client.chat.completions.create({ ...question, stream: true, stream_options: { include_usage: true } }),
        );
        assert.equal(chunks.filter((chunk) => chunk.usage).length, 1);
        assert.deepEqual(chunks.at(-1).choices, []);
        assert.equal(chunks.at(-1).usage.completion_tokens, whole.usage.completion_tokens);
      });

      it("carries a tool call round trip, whole and streamed", async () => {
        const question = { model: model("chat"), tools: weather, messages: ask("What is the weather in Lund?") };
        const first = await client.chat.completions.create(question);
        assert.equal(first.choices[0].finish_reason, "tool_calls");
        const call = first.choices[0].message.tool_calls[0];
        assert.equal(call.function.name, "weather_at");
        assert.ok("place" in JSON.parse(call.function.arguments));
        const streamed = await client.chat.completions.stream(question).finalChatCompletion();
        assert.deepEqual(
          JSON.parse(streamed.choices[0].message.tool_calls[0].function.arguments),
          JSON.parse(call.function.arguments),
        );
        const second = await client.chat.completions.create({
          ...question,
          messages: [
            ...question.messages,
            { role: "assistant", content: null, tool_calls: [call] },
            { role: "tool", tool_call_id: call.id, content: '{"sky": "clear"}' },
          ],
        });
        assert.equal(second.choices[0].finish_reason, "stop");
      });

      it("passes an image part on", async () => {
        const text = mark("picture");
        const url = `data:image/png;base64,${pixel}`;
        await client.chat.completions.create({
          model: model("chat"),
          messages: [{ role: "user", content: [{ type: "text", text }, { type: "image_url", image_url: { url } }] }],
        });
        const seen = JSON.parse((await requestWith(text)).body);
        assert.equal(seen.messages[0].content[1].image_url.url, url);
      });

      it("shapes an answer by a JSON schema", async () => {
        const schema = {
          type: "object",
          properties: { n: { type: "integer" }, why: { type: "string" } },
          required: ["n", "why"],
          additionalProperties: false,
        };
        const answer = await client.chat.completions.create({
          model: model("chat"),
          messages: ask("How many, and why? Answer in JSON."),
          response_format: { type: "json_schema", json_schema: { name: "count", strict: true, schema } },
        });
        const found = JSON.parse(answer.choices[0].message.content);
        assert.ok(Number.isInteger(found.n) && typeof found.why === "string");
      });

      it("embeds alike in both encodings", async () => {
        const question = { model: model("embed"), input: ["first text", "second text"] };
        const packed = await client.embeddings.create(question); // asks for base64 by itself
        const plain = await client.embeddings.create({ ...question, encoding_format: "float" });
        assert.equal(packed.data[1].embedding.length, 1536);
        packed.data.forEach((entry, i) =>
          entry.embedding.forEach((value, k) =>
            assert.ok(Math.abs(value - plain.data[i].embedding[k]) <= 1e-6 * Math.max(1, Math.abs(value))),
          ),
        );
      });

      it("lists and retrieves models", async () => {
        const names = (await collect(await client.models.list())).map((entry) => entry.id);
        assert.ok(names.includes(model("chat")));
        assert.equal((await client.models.retrieve(model("chat"))).id, model("chat"));
      });

      const errors = [
        ["refused", OpenAI.BadRequestError, 400],
        ["unprocessable", OpenAI.UnprocessableEntityError, 422],
        ["limited", OpenAI.RateLimitError, 429],
        ["silent", OpenAI.InternalServerError, 504],
        ["locked", OpenAI.InternalServerError, 502],
      ];
      for (const [name, kind, status] of errors) {
        for (const stream of [false, true]) {
          it(`raises ${kind.name} for ${name}${stream ? ", streamed" : ""}`, async () => {
            await assert.rejects(
              client.chat.completions.create({ model: model(name), messages: ask("Fail, please."), stream }),
              (error) => {
                assert.ok(error instanceof kind, String(error));
                assert.equal(error.status, status);
                assert.ok(error.error.message && error.requestID);
                return true;
              },
            );
          });
        }
      }

      it("raises its own classes for wrong key, scope and model", async () => {
        const question = { model: model("chat"), messages: ask("Hm.") };
        await assert.rejects(
          make({ apiKey: "hz_live_wrong" }).chat.completions.create(question),
          OpenAI.AuthenticationError,
        );
        if (transport === "plain") {
          await assert.rejects(
            make({ apiKey: env.HUNTAZE_FEATURES_KEY }).chat.completions.create(question),
            OpenAI.PermissionDeniedError,
          );
        }
        await assert.rejects(
          client.chat.completions.create({ ...question, model: model("nowhere") }),
          (error) => error instanceof OpenAI.NotFoundError && error.code === "model_not_found",
        );
      });

      it("never ends a broken stream cleanly", async () => {
        for (const name of ["cut", "error-event"]) {
          let text = "";
          await assert.rejects(async () => {
            const stream = await client.chat.completions.create({
              model: model(name),
              messages: ask("Break."),
              stream: true,
            });
            for await (const chunk of stream) text += chunk.choices[0].delta.content ?? "";
          }, OpenAI.APIError);
          assert.ok(text);
        }
      });

      it("ends the provider's call when the package times out", async () => {
        const text = mark("patience");
        await assert.rejects(
          make({ timeout: 300 }).chat.completions.create({ model: model("slow"), messages: ask(text) }),
          OpenAI.APIConnectionTimeoutError,
        );
        assert.ok(await eventually(async () => (await requestWith(text))?.client_left));
      });

      it("ends the provider's call when the stream is cancelled", async (t) => {
        const text = mark("cancel");
        const stream = await client.chat.completions.create({
          model: model("slow"),
          messages: ask(text),
          stream: true,
        });
        await stream[Symbol.asyncIterator]().next();
        assert.ok(!(await requestWith(text)).client_left);
        const left = performance.now();
        stream.controller.abort();
        assert.ok(await eventually(async () => (await requestWith(text)).client_left));
        t.diagnostic(`measured: cancel to the provider's end: ${(performance.now() - left).toFixed(1)} ms (at most 100)`);
      });
    });
  }
}
