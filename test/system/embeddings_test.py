"""POST /v1/embeddings of the real binary with the real model: the official client, both encodings, order, likeness, errors."""
import base64
import concurrent.futures
import math
import struct

from server import Server, expect, need_model, need_module, total

need_model()
openai = need_module("openai")

SENTENCES = [
    "The cat sleeps on the warm sofa.",
    "A kitten is napping on the couch.",
    "The central bank raised interest rates by half a percent.",
    "Inflation made the central bank increase its interest rates.",
]


def cosine(a, b):
    return sum(x * y for x, y in zip(a, b))


with Server("--threads", "2") as server:
    client = openai.OpenAI(base_url=server.url + "/v1", api_key="any", max_retries=0)
    model = client.models.list().data[0].id

    answer = client.embeddings.create(model=model, input=SENTENCES, encoding_format="float")
    expect(answer.object == "list" and answer.model == model, f"the list of {model}: {answer.object}, {answer.model}")
    expect([item.index for item in answer.data] == [0, 1, 2, 3], "vectors come in the order of the inputs")
    vectors = [item.embedding for item in answer.data]
    size = len(vectors[0])
    expect(size == 576 and all(len(vector) == size for vector in vectors), f"the model's own width: {size}")
    for vector in vectors:
        expect(abs(math.sqrt(cosine(vector, vector)) - 1) < 1e-5, "a vector has length 1")
    tokens = [server.post("/tokenize", {"prompt": sentence})[1]["count"] for sentence in SENTENCES]
    expect(answer.usage.prompt_tokens == answer.usage.total_tokens == sum(tokens), f"usage counts {tokens}: {answer.usage}")

    alike = [cosine(vectors[0], vectors[1]), cosine(vectors[2], vectors[3])]
    unlike = [cosine(vectors[i], vectors[j]) for i in (0, 1) for j in (2, 3)]
    expect(min(alike) > max(unlike), f"like sentences are closer than unlike ones: {alike} against {unlike}")

    for i, sentence in enumerate(SENTENCES):
        alone = client.embeddings.create(model=model, input=sentence, encoding_format="float").data[0].embedding
        expect(alone == vectors[i], "an input alone has the vector it has in a list, bit by bit")
    by_default = client.embeddings.create(model=model, input=SENTENCES[0])  # the client asks for base64 and decodes it
    expect([struct.pack("<f", x) for x in by_default.data[0].embedding] == [struct.pack("<f", x) for x in vectors[0]],
           "base64 has the same floats")
    status, raw, _ = server.post("/v1/embeddings", {"input": SENTENCES[0], "encoding_format": "base64"})
    expect(status == 200, f"base64: {status}")
    decoded = struct.unpack(f"<{size}f", base64.b64decode(raw["data"][0]["embedding"], validate=True))
    expect([struct.pack("<f", x) for x in vectors[0]] == [struct.pack("<f", x) for x in decoded], "little-endian floats")

    ids = server.post("/tokenize", {"prompt": SENTENCES[0]})[1]["tokens"]
    for given in (ids, [ids]):
        of_ids = client.embeddings.create(model=model, input=given, encoding_format="float").data[0].embedding
        expect(of_ids == vectors[0], "token ids give the vector of their text")
    last = client.embeddings.create(model=model, input=SENTENCES, encoding_format="float", extra_body={"pooling": "last"}, dimensions=size)
    expect(last.data[0].embedding != vectors[0], "the last position is another pooling than the mean")

    # Beside generations, from several clients, with a common beginning that the prefix cache has.
    common = "A long common beginning of many texts, word after word, so that whole blocks of it are shared. " * 3
    texts = [common + sentence for sentence in SENTENCES]
    expected = {pooling: [client.embeddings.create(model=model, input=text, encoding_format="float", extra_body={"pooling": pooling}).data[0].embedding
                          for text in texts] for pooling in ("mean", "last")}

    def embed(pooling):
        got = client.embeddings.create(model=model, input=texts, encoding_format="float", extra_body={"pooling": pooling})
        return [item.embedding for item in got.data] == expected[pooling]

    def generate(_):
        return bool(client.completions.create(model=model, prompt=common, max_tokens=40, temperature=0).choices[0].text)

    with concurrent.futures.ThreadPoolExecutor(8) as workers:
        jobs = [workers.submit(function, argument) for function, argument in [(embed, "mean"), (generate, 0), (embed, "last")] * 4]
        expect(all(job.result() for job in jobs), "under load the vectors keep their bits")

    many = client.embeddings.create(model=model, input=[f"text {i}" for i in range(300)], encoding_format="float")
    expect(len(many.data) == 300, "a list longer than the queue is served")
    expect(many.data[299].embedding == client.embeddings.create(model=model, input="text 299", encoding_format="float").data[0].embedding,
           "its last vector is that of its last text")

    for wrong, field in [
        (dict(input=""), "input"),
        (dict(input=[]), "input"),
        (dict(input=["a", 1]), "input"),
        (dict(input=[10**6]), "input"),
        (dict(input=["x"] * 2049), "2048"),
        (dict(input="x", encoding_format="hex"), "encoding_format"),
        (dict(input="x", pooling="max"), "pooling"),
        (dict(input="x", dimensions=64), "dimensions"),
        (dict(input=["fine", "word " * 9000]), "8192"),
        (dict(), "input"),
    ]:
        status, body, _ = server.post("/v1/embeddings", wrong)
        expect(status == 400 and field in body["error"]["message"], f"{str(wrong)[:60]} is refused by name: {status} {body}")
    status, body, _ = server.post("/v1/embeddings", {"input": "x", "model": "no-such-model"})
    expect(status == 404, f"an unknown model: {status}")
    expect(server.get("/v1/embeddings")[0] == 405, "GET is not allowed")
    try:
        client.embeddings.create(model=model, input="x", dimensions=5)
    except openai.BadRequestError as error:
        expect("576" in str(error), f"the error says what there is: {error}")
    else:
        expect(False, "dimensions must be refused")

    metrics = server.metrics()
    served = sum(value for name, value in metrics.items()
                 if name.startswith("llm_http_requests_total") and 'route="/v1/embeddings"' in name and 'status="200"' in name)
    expect(served > 20, f"requests are counted by route: {served}")
    expect(total(metrics, "llm_kv_blocks") > 0, "blocks are still counted")

with Server("--server.api_keys", "a-long-secret") as server:
    expect(server.post("/v1/embeddings", {"input": "x"})[0] == 401, "a key is asked for")
    status, body, _ = server.post("/v1/embeddings", {"input": "x"}, Authorization="Bearer a-long-secret")
    expect(status == 200, f"with the key: {status} {body}")
print("ok")
