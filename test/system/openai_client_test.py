"""The official openai client against the real binary and the real model: what users do first."""
from server import Server, expect, need_model, need_module

need_model()
openai = need_module("openai")

with Server() as server:
    client = openai.OpenAI(base_url=server.url + "/v1", api_key="any", max_retries=0)
    names = [model.id for model in client.models.list()]
    expect(len(names) == 1, f"one model is listed, got {names}")
    model = names[0]
    expect(client.models.retrieve(model).id == model, "the model is retrieved by its name")

    question = [{"role": "user", "content": "What is the capital of Germany? One word."}]
    whole = client.chat.completions.create(model=model, messages=question, temperature=0, max_tokens=24)
    text = whole.choices[0].message.content
    expect(text, "a chat answer has text")
    expect(whole.usage.completion_tokens <= 24 and whole.usage.prompt_tokens > 20, f"usage counts tokens: {whole.usage}")
    expect(whole.choices[0].finish_reason in ("stop", "length"), "a finish reason is given")
    expect(whole.system_fingerprint, "the numerics class is the system fingerprint")

    pieces, usage, reasons = [], None, []
    for chunk in client.chat.completions.create(model=model, messages=question, temperature=0, max_tokens=24, stream=True,
                                                stream_options={"include_usage": True}):
        if chunk.usage:
            usage = chunk.usage
            expect(not chunk.choices, "the usage chunk has no choices")
        for choice in chunk.choices:
            pieces.append(choice.delta.content or "")
            if choice.finish_reason:
                reasons.append(choice.finish_reason)
    expect("".join(pieces) == text, f"stream {''.join(pieces)!r} equals whole {text!r}")
    expect(usage.completion_tokens == whole.usage.completion_tokens, "stream and whole count the same tokens")
    longer = [{"role": "user", "content": question[0]["content"] + " Answer in English."}]
    for chunk in client.chat.completions.create(model=model, messages=longer, temperature=0, max_tokens=2, stream=True,
                                                stream_options={"include_usage": True}):
        usage = chunk.usage or usage
    saved = usage.prompt_tokens_details.cached_tokens
    expect(saved >= 16 and saved % 16 == 0 and saved < usage.prompt_tokens, f"the stream's usage has the prefix hit: {usage}")
    expect(len(reasons) == 1, f"exactly one finish reason: {reasons}")

    several = client.completions.create(model=model, prompt="Once upon a time", max_tokens=8, n=3, seed=5, temperature=1.0)
    expect([choice.index for choice in several.choices] == [0, 1, 2], "n choices come with their indices")
    again = client.completions.create(model=model, prompt="Once upon a time", max_tokens=8, n=3, seed=5, temperature=1.0)
    expect([c.text for c in several.choices] == [c.text for c in again.choices], "a seed makes sampled answers repeat")

    with_logprobs = client.chat.completions.create(model=model, messages=question, temperature=0, max_tokens=4, logprobs=True, top_logprobs=3)
    content = with_logprobs.choices[0].logprobs.content
    expect(len(content) == with_logprobs.usage.completion_tokens, "one logprob entry a token")
    for entry in content:
        expect(entry.logprob <= 0 and len(entry.top_logprobs) == 3, "logprobs are negative, with three alternatives")
        expect(abs(entry.top_logprobs[0].logprob - entry.logprob) < 1e-6, "greedy takes the first alternative")

    stopped = client.completions.create(model=model, prompt="1, 2, 3, 4, 5, 6,", max_tokens=40, temperature=0, stop=[" 9"])
    expect(" 9" not in stopped.choices[0].text and stopped.choices[0].finish_reason == "stop", "a stop string ends the text before it")

    for wrong, kind, field in [
        (dict(model="no-such-model", messages=question), openai.NotFoundError, "no-such-model"),
        (dict(model=model, messages=question, temperature=3), openai.BadRequestError, "temperature"),
        (dict(model=model, messages=question, max_tokens=10**6), openai.BadRequestError, "context"),
        (dict(model=model, messages=question, tools=[{"type": "function", "function": {"name": "f"}}]), openai.BadRequestError, "tools"),
        (dict(model=model, messages=question, response_format={"type": "json_object"}), openai.BadRequestError, "response_format"),
    ]:
        try:
            client.chat.completions.create(**wrong)
        except kind as error:
            expect(field in str(error), f"the error names {field}: {error}")
        else:
            expect(False, f"{wrong} must be refused")
print("ok")
