"""The ledger against a second computation and against the provider's own invoice, to the nano-dollar."""
import json
import random
import uuid
from decimal import Decimal

import openai
import pytest

from harness import Server, eventually
from money import cost_nusd, tokens_of_messages, tokens_of_text
from simulated import EMBEDDING_PRICE, PRICE, checked, model, provider

PROVIDER, COUNTED = 0, 1
OK, FAILED, CLIENT_GONE, CONTENT_FILTER, BROKEN = 1, 2, 3, 4, 5
ROWS = "SELECT * FROM transfer WHERE correlation_id = ? ORDER BY attempt"


@pytest.fixture
def transport():
    return "plain"


def rows_of(server, correlation, count=1):
    """The rows of one call; rows of a client that left come a moment after it."""
    return eventually(lambda: rows if len(rows := server.query(ROWS, correlation)) >= count else None) or \
        server.query(ROWS, correlation)


def only_row(server, correlation):
    rows = rows_of(server, correlation)
    assert len(rows) == 1, rows
    return rows[0]


def invoice_of(sim, mark):
    """What the simulator billed for the request whose prompt holds the mark."""
    seq = sim.request_with(mark)["seq"]
    found = [entry for entry in sim.invoice(f'"seq":{seq},') if entry["seq"] == seq]
    assert len(found) == 1, found
    return found[0]


def usage_of(row):
    return {"input_tokens": row["input_tokens"], "cached_tokens": row["cached_tokens"],
            "output_tokens": row["output_tokens"]}


class Question:
    """A prompt that no other test asks, and the correlation id under which it is booked."""

    def __init__(self, text="Tell me about money."):
        self.correlation = f"money-{uuid.uuid4()}"
        self.messages = [{"role": "user", "content": f"{text} {self.correlation}"}]
        self.arguments = {"messages": self.messages, "extra_headers": {"X-Correlation-ID": self.correlation}}


def receive(client, question, name, is_stream, wants_usage):
    """Asks and reads to the end; the usage that the client was told, if any."""
    more = {"stream_options": {"include_usage": True}} if is_stream and wants_usage else {}
    answer = client.chat.completions.create(model=name, stream=is_stream, **more, **question.arguments)
    if not is_stream:
        return answer.usage
    return list(answer)[-1].usage


@pytest.mark.parametrize("behaviour", ["chat", "cached", "reasoning"])
@pytest.mark.parametrize("mode", ["whole", "stream", "stream-with-usage"])
def test_ledger_equals_price_list_and_invoice(client, server, sim, dialect, behaviour, mode):
    question = Question()
    told = receive(client, question, f"{dialect}.{behaviour}", mode != "whole", mode == "stream-with-usage")
    row, billed = only_row(server, question.correlation), invoice_of(sim, question.correlation)

    assert (row["usage_source"], row["status"]) == (PROVIDER, OK)
    assert row["is_stream"] == (mode != "whole")
    assert usage_of(row) == {"input_tokens": billed["prompt_tokens"], "cached_tokens": billed["cached_tokens"],
                             "output_tokens": billed["completion_tokens"]}
    assert row["reasoning_tokens"] == billed["reasoning_tokens"]
    assert row["amount_nusd"] == cost_nusd(PRICE, **usage_of(row))
    if behaviour == "cached":
        assert 0 < row["cached_tokens"] <= row["input_tokens"]
    if behaviour == "reasoning":
        assert 0 < row["reasoning_tokens"] <= row["output_tokens"]
    if told:
        assert told.prompt_tokens == row["input_tokens"] and told.completion_tokens == row["output_tokens"]


def test_embeddings_are_booked(client, server, sim, dialect):
    question = Question()
    client.embeddings.create(model=f"{dialect}.embed", input=question.correlation,
                             extra_headers={"X-Correlation-ID": question.correlation})
    row, billed = only_row(server, question.correlation), invoice_of(sim, question.correlation)
    assert row["input_tokens"] == billed["prompt_tokens"] and row["output_tokens"] == 0
    assert row["amount_nusd"] == cost_nusd(EMBEDDING_PRICE, row["input_tokens"], 0)


@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "stream"])
def test_without_usage_the_text_is_counted(client, server, dialect, is_stream):
    question = Question()
    answer = client.chat.completions.create(model=f"{dialect}.no-usage", stream=is_stream, **question.arguments)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in answer) if is_stream \
        else answer.choices[0].message.content
    row = only_row(server, question.correlation)
    assert row["usage_source"] == COUNTED and text
    assert row["input_tokens"] == tokens_of_messages(question.messages)
    assert row["output_tokens"] == tokens_of_text(text)
    assert row["amount_nusd"] == cost_nusd(PRICE, **usage_of(row))


@pytest.mark.parametrize("events", [0, 1, 3, "all"])
def test_a_client_that_leaves_pays_for_what_passed(client, server, sim, dialect, events):
    """The provider stalls after 7 tokens, so what passed before the client left is known exactly."""
    question = Question()
    stream = client.chat.completions.create(model=f"{dialect}.stall", stream=True, **question.arguments)
    text, seen = "", 0
    for chunk in stream:
        text += chunk.choices[0].delta.content or ""
        seen += 1
        if (events == "all" and len(text) >= 28) or seen == events or events == 0:
            break
    stream.close()
    assert eventually(lambda: sim.was_left(question.correlation))
    row = only_row(server, question.correlation)
    assert (row["status"], row["usage_source"]) == (CLIENT_GONE, COUNTED)
    assert row["input_tokens"] == tokens_of_messages(question.messages)
    whole = sent_text(server, question)
    if events == "all":
        assert row["output_tokens"] == tokens_of_text(whole[:28]), (text, whole)
    assert tokens_of_text(text) <= row["output_tokens"] <= tokens_of_text(whole[:28])
    assert row["amount_nusd"] == cost_nusd(PRICE, **usage_of(row))


def sent_text(server, question):
    """The simulator's answer to the same words without the stall: the same text, to its end."""
    reply = server.post("/v1/chat/completions", {"model": "openai.long", "messages": question.messages})
    return reply.json["choices"][0]["message"]["content"]


def test_a_stream_that_breaks_is_billed_for_what_passed(client, server, dialect):
    for name in ("cut", "error-event", "garbage"):
        question = Question()
        text = ""
        with pytest.raises(openai.APIError):
            for chunk in client.chat.completions.create(
                    model=f"{dialect}.{name}", stream=True, **question.arguments):
                text += chunk.choices[0].delta.content or ""
        row = only_row(server, question.correlation)
        assert (row["status"], row["usage_source"]) == (BROKEN, COUNTED), name
        assert row["output_tokens"] == tokens_of_text(text), name
        assert row["amount_nusd"] == cost_nusd(PRICE, **usage_of(row)), name


def test_a_refused_prompt_of_the_content_filter_is_billed_once(client, server, sim, dialect):
    question = Question()
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model=f"{dialect}.filtered-prompt", **question.arguments)
    assert refused.value.code in ("content_filter", "content_policy_violation")
    row, billed = only_row(server, question.correlation), invoice_of(sim, question.correlation)
    assert row["status"] == CONTENT_FILTER
    assert row["output_tokens"] == 0
    assert row["amount_nusd"] == cost_nusd(PRICE, **usage_of(row)) > 0
    assert billed["prompt_tokens"] > 0


def test_a_filtered_answer_is_an_answer_and_billed(client, server, sim, dialect):
    question = Question()
    answer = client.chat.completions.create(model=f"{dialect}.filtered-answer", **question.arguments)
    assert answer.choices[0].finish_reason == "content_filter"
    row, billed = only_row(server, question.correlation), invoice_of(sim, question.correlation)
    assert row["status"] == CONTENT_FILTER
    assert usage_of(row)["output_tokens"] == billed["completion_tokens"]
    assert row["amount_nusd"] == cost_nusd(PRICE, **usage_of(row))


def test_an_error_of_the_provider_costs_nothing(client, server, dialect):
    question = Question()
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(model=f"{dialect}.refused", **question.arguments)
    row = only_row(server, question.correlation)
    assert (row["status"], row["amount_nusd"], row["http_status"]) == (FAILED, 0, 400)


def test_each_attempt_has_its_own_row_under_one_operation(client, server, dialect):
    """The first deployment breaks the connection, the second one answers."""
    question = Question()
    client.chat.completions.create(model=f"{dialect}.reset", **question.arguments)
    rows = rows_of(server, question.correlation, 2)
    assert [row["attempt"] for row in rows] == [1, 2]
    assert len({row["operation_id"] for row in rows}) == 1
    assert [row["status"] for row in rows] == [FAILED, OK]
    assert rows[0]["amount_nusd"] == 0
    assert rows[1]["amount_nusd"] == cost_nusd(PRICE, **usage_of(rows[1]))
    assert [row["is_fallback"] for row in rows] == [0, 1]


def test_prices_come_from_the_list_where_the_configuration_names_none(start_server, sim, price_list):
    """Deployments with the names of the list, so that provider and model find their rows."""
    listed = [("azure-openai", "azure_openai", "gpt-4o"), ("openai", "openai", "gpt-4o-mini"),
              ("foundry-v1", "azure_ai", "Mistral-Large-3"), ("foundry-models", "azure_ai", "Phi-4"),
              ("foundry-v1", "azure_ai", "DeepSeek-R1")]
    models = [{"name": f"m{i}", "deployments": [{"provider": dialect, "deployment": name}]}
              for i, (dialect, _, name) in enumerate(listed)]
    server = start_server({"providers": [provider(d, sim.url) for d in {row[0] for row in listed}],
                           "models": models, "routes": [{"models": ["m0"]}], "fallbacks": []})
    for i, (_, group, name) in enumerate(listed):
        correlation = f"listed-{uuid.uuid4()}"
        reply = server.chat(f"m{i}", correlation, {"X-Correlation-ID": correlation})
        assert reply.status == 200, reply
        row, line = only_row(server, correlation), price_list[group, name]
        price = {"input": line["input_usd_per_mtok"], "output": line["output_usd_per_mtok"],
                 "cached": line["cached_input_usd_per_mtok"]}
        assert row["amount_nusd"] == cost_nusd(price, **usage_of(row)) > 0, name


def test_a_model_without_a_price_is_booked_as_unpriced_only_where_allowed(start_server, sim):
    entry = model("free-for-now", "openai", "gpt-unheard-of")
    del entry["price_usd_per_mtok"]
    server = start_server({"providers": [provider("openai", sim.url)], "models": [entry | {"unpriced": "allow"}],
                           "routes": [{"models": ["free-for-now"]}], "fallbacks": []})
    correlation = f"unpriced-{uuid.uuid4()}"
    assert server.chat("free-for-now", "Hm.", {"X-Correlation-ID": correlation}).status == 200
    row = only_row(server, correlation)
    assert row["is_unpriced"] == 1 and row["amount_nusd"] == 0 and row["output_tokens"] > 0


ABSURD = ("-5", "9223372036854775807", "1e30", "4e15", "2147483648", "5.7")


@pytest.mark.parametrize("mode", ["whole", "stream", "embedding"])
@pytest.mark.parametrize("stated", ABSURD)
def test_usage_that_cannot_be_true_is_counted_instead(doubtful, mode, stated):
    """Neither booked nor passed on; the log and a counter say who stated what."""
    server, question = doubtful, Question()
    headers = {"X-Correlation-ID": question.correlation}
    before = doubts(server, "not_believed")
    if mode == "embedding":
        reply = server.post("/v1/embeddings", {"model": f"embed{stated}", "input": "Some words"}, headers=headers)
        assert "usage" not in reply.json
    elif mode == "whole":
        reply = server.post("/v1/chat/completions", {"model": f"chat{stated}", "messages": question.messages},
                            headers=headers)
        assert "usage" not in reply.json
    else:
        reply = server.post("/v1/chat/completions", {"model": f"chat{stated}", "messages": question.messages,
                                                     "stream": True, "stream_options": {"include_usage": True}},
                            headers=headers)
        told = [json.loads(line[6:]) for line in reply.body.decode().splitlines() if line.startswith("data: {")][-1]["usage"]
    assert reply.status == 200 and f'_tokens":{stated}' not in reply.body.decode()
    row = only_row(server, question.correlation)
    assert (row["usage_source"], row["status"]) == (COUNTED, OK)
    if mode != "embedding":
        assert row["input_tokens"] == tokens_of_messages(question.messages) and row["output_tokens"] > 0
        assert row["amount_nusd"] == cost_nusd(PRICE, **usage_of(row))
    if mode == "stream":
        assert (told["prompt_tokens"], told["completion_tokens"]) == (row["input_tokens"], row["output_tokens"])
    line, = [line for line in server.logs() if line["event"] == "usage_not_believed"
             and line["correlation_id"] == question.correlation]
    assert line["level"] == "warn" and line["provider"] == "openai" and line["deployment"] and stated in line["stated"]
    assert doubts(server, "not_believed") == before + 1


def test_usage_above_the_bound_is_billed_as_stated_and_reported(doubtful):
    server, question = doubtful, Question()
    before = doubts(server, "above_bound")
    for name in ("chat1000000", "boundless1000000"):
        reply = server.post("/v1/chat/completions", {"model": name, "messages": question.messages},
                            headers={"X-Correlation-ID": question.correlation})
        assert reply.json["usage"]["completion_tokens"] == 1000000
    first, second = rows_of(server, question.correlation, 2)
    for row in (first, second):
        assert row["usage_source"] == PROVIDER
        assert row["amount_nusd"] == cost_nusd(PRICE, input_tokens=1000000, cached_tokens=0, output_tokens=1000000)
    # Where the longest answer is not known there is no bound that could be passed.
    line, = [line for line in server.logs() if line["event"] == "usage_above_bound"]
    assert line["level"] == "warn" and line["deployment"] == "gpt-4o+usage=1000000"
    assert Decimal(str(line["overdraft_usd"])) == Decimal(str(line["stated_usd"])) - Decimal(str(line["bound_usd"])) > 0
    assert doubts(server, "above_bound") == before + 1


def doubts(server, doubt):
    return sum(int(line.rsplit(" ", 1)[1]) for line in server.get("/metrics").body.decode().splitlines()
               if line.startswith("huntaze_usage_doubts_total{") and f'doubt="{doubt}"' in line)


@pytest.fixture(scope="module")
def doubtful(tmp_path_factory, sim):
    chats = [model(f"chat{n}", "openai", f"gpt-4o+usage={n}", max_output_tokens=1000) for n in (*ABSURD, 1000000)]
    embeds = [model(f"embed{n}", "openai", f"text-embedding-3-small+usage={n}") for n in ABSURD]
    boundless = model("boundless1000000", "openai", "gpt-4o-unheard-of+usage=1000000")
    server = Server(tmp_path_factory.mktemp("doubtful"),
                    {"providers": [provider("openai", sim.url)], "models": [*chats, *embeds, boundless],
                     "routes": [{"models": ["chat-5"]}], "fallbacks": []}, env={"SIM_KEY": sim.key})
    yield server
    checked(server.finish())


def test_sums_of_the_rollups_equal_the_rows(server, client):
    assert server.verify().returncode == 0


def test_any_mix_of_classes_and_prices_is_booked_to_the_nano_dollar(start_server, sim):
    dice = random.Random(20261121)
    mixes = []
    for i in range(40):
        words = f"+cached={dice.randrange(5000)},tokens={dice.randrange(1, 400)},think={dice.randrange(200)}"
        price = {"input": f"{dice.randrange(10**10)}e-9", "cached": f"{dice.randrange(10**10)}e-9",
                 "output": f"{dice.randrange(10**11)}e-9"}
        price = {name: f"{Decimal(text):.9f}" for name, text in price.items()}
        mixes.append((price, model(f"mix{i}", "openai", "gpt-4o" + words, price)))
    server = start_server({"providers": [provider("openai", sim.url)], "models": [entry for _, entry in mixes],
                           "routes": [{"models": ["mix0"]}], "fallbacks": []})
    for i, (price, _) in enumerate(mixes):
        correlation = f"mix-{uuid.uuid4()}"
        reply = server.chat(f"mix{i}", correlation + " abc" * dice.randrange(300), {"X-Correlation-ID": correlation})
        assert reply.status == 200, reply
        row, billed = only_row(server, correlation), invoice_of(sim, correlation)
        assert usage_of(row) == {"input_tokens": billed["prompt_tokens"], "cached_tokens": billed["cached_tokens"],
                                 "output_tokens": billed["completion_tokens"]}
        assert row["amount_nusd"] == cost_nusd(price, **usage_of(row))
