"""echo, prompt_logprobs and best_of of the real binary with the real model, by the official client: a text is scored as it was generated."""
import math

from server import Server, expect, need_model, need_module

need_model()
openai = need_module("openai")

TEXT = "The capital of France is Paris. Die Hauptstadt von Österreich ist Wien – wie schön!"

with Server("--threads", "2") as server:
    client = openai.OpenAI(base_url=server.url + "/v1", api_key="any", max_retries=0)
    model = client.models.list().data[0].id
    ask = lambda **fields: client.completions.create(model=model, **{"temperature": 0, **fields})

    # What was generated is scored with the bits it was generated with, alone and beside others.
    made = ask(prompt=TEXT, max_tokens=12, logprobs=2, extra_body={"ignore_eos": True}).choices[0]
    whole = TEXT + made.text
    scored = ask(prompt=whole, max_tokens=0, echo=True, logprobs=2)
    choice = scored.choices[0]
    expect(choice.text == whole and choice.finish_reason == "length", f"the prompt is the answer: {choice}")
    expect(scored.usage.completion_tokens == 0, f"nothing was generated: {scored.usage}")
    scores = choice.logprobs
    count = len(scores.tokens)
    expect(count == scored.usage.prompt_tokens, "every token of the prompt is listed")
    expect(scores.token_logprobs[0] is None and scores.top_logprobs[0] is None, "nothing comes before the first token")
    if scores.tokens[-12:] == made.logprobs.tokens:  # the text is cut into the same tokens
        expect(scores.token_logprobs[-12:] == made.logprobs.token_logprobs, "the same bits, generated or scored")
    else:
        expect(False, f"tokens differ: {scores.tokens[-12:]} and {made.logprobs.tokens}")
    offsets = scores.text_offset
    expect(offsets == sorted(offsets) and offsets[0] == 0 and offsets[-1] < len(whole), f"offsets are characters: {offsets}")
    for i in range(count - 1):
        piece = whole[offsets[i]:offsets[i + 1]]
        expect("�" in scores.tokens[i] or piece == scores.tokens[i] or not piece, f"{piece!r} is {scores.tokens[i]!r}")
    expect(scores.token_logprobs == ask(prompt=whole, max_tokens=3, echo=True, logprobs=0).choices[0].logprobs.token_logprobs[:count],
           "an answer behind it changes nothing")

    stream = list(ask(prompt=TEXT, max_tokens=5, echo=True, logprobs=0, stream=True))
    expect(stream[0].choices[0].text.startswith(TEXT), f"a stream begins with the prompt: {stream[0]}")
    text = "".join(chunk.choices[0].text for chunk in stream if chunk.choices)
    expect(text == ask(prompt=TEXT, max_tokens=5, echo=True).choices[0].text, "a stream is the whole answer in parts")
    ids = server.post("/tokenize", {"prompt": TEXT})[1]["tokens"]
    expect(ask(prompt=ids, max_tokens=1, echo=True).choices[0].text.startswith(TEXT), "ids are echoed as their text")

    # vLLM's field, of completions and chats; the same numbers.
    asked = ask(prompt=whole, max_tokens=1, extra_body={"prompt_logprobs": 2}).choices[0].prompt_logprobs
    expect(len(asked) == count and asked[0] is None, "an entry a token")
    for entry, logprob, token in zip(asked[1:], scores.token_logprobs[1:], scores.tokens[1:]):
        own = next(iter(entry.values()))
        expect(own["logprob"] == logprob and own["decoded_token"] == token, f"{own} is {logprob} of {token!r}")
        ranks = sorted(one["rank"] for one in entry.values())
        expect(own["rank"] >= 1 and ranks[:2] == [1, 2] and len(entry) in (2, 3), f"the likeliest are there: {entry}")
    talk = client.chat.completions.create(model=model, messages=[{"role": "user", "content": "hi"}], max_tokens=1,
                                          extra_body={"prompt_logprobs": 0})
    expect(len(talk.prompt_logprobs) == talk.usage.prompt_tokens, "a chat's prompt has its template's tokens, too")

    # best_of draws what n draws and shows the likeliest.
    fields = dict(prompt=TEXT, max_tokens=8, temperature=1.0, seed=3, logprobs=0)
    drawn, best = ask(n=5, **fields), ask(n=2, best_of=5, **fields)
    # An answer that ended at once has no tokens to go by and comes last.
    mean = lambda one: sum(one.logprobs.token_logprobs) / len(one.logprobs.token_logprobs) if one.logprobs.token_logprobs else -math.inf
    expected = [one.text for one in sorted(drawn.choices, key=mean, reverse=True)[:2]]
    expect([one.text for one in best.choices] == expected, f"the best two of {[(one.text, mean(one)) for one in drawn.choices]}")
    expect(best.usage.completion_tokens == drawn.usage.completion_tokens, "what was drawn is counted")

    for wrong in (dict(max_tokens=0), dict(n=3, best_of=2), dict(best_of=2, stream=True), dict(extra_body={"prompt_logprobs": 21}),
                  dict(stream=True, extra_body={"prompt_logprobs": 1}), dict(prompt="x " * 9000, echo=True, max_tokens=0)):
        try:
            ask(**{"prompt": "x", **wrong})
        except openai.BadRequestError as error:
            expect(any(name in str(error) for name in ("max_tokens", "best_of", "prompt_logprobs", "prompt")), f"named: {error}")
        else:
            expect(False, f"{wrong} must be refused")
print("ok")
