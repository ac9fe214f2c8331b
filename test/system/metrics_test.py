"""Metrics on their own port: the guide's names, counters that add up, stages that sum to the whole, a scrape that load does not block."""
import threading
import time

from server import Server, expect, need_model, total

need_model()

with Server("--cache.enabled", "false") as server:
    body = {"prompt": "The sea is", "max_tokens": 32, "temperature": 0, "ignore_eos": True}
    for index in range(5):
        status, answer, _ = server.post("/v1/completions", {**body, "prompt": f"{index} The sea is"})
        expect(status == 200, f"a completion works: {answer}")
    scrapes, busiest = [], 0
    threads = [threading.Thread(target=lambda: server.post("/v1/completions", {**body, "max_tokens": 200})) for _ in range(8)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        begin = time.monotonic()
        scrape = server.metrics()
        scrapes.append(time.monotonic() - begin)
        # D11: in every scrape accepted = finished + failed + cancelled + in progress.
        ended = sum(scrape[f'llm_requests_total{{outcome="{outcome}"}}'] for outcome in ("finished", "failed", "cancelled"))
        running = scrape["llm_requests_in_progress"]
        expect(scrape["llm_requests_accepted_total"] == ended + running, f"the books add up: {ended} ended, {running} in progress")
        busiest = max(busiest, running)
        time.sleep(0.05)
    expect(busiest == 8, f"8 sequences were in progress at once: {busiest}")
    metrics = server.metrics()
    scrapes.sort()
    expect(scrapes[len(scrapes) // 2] < 0.05, f"R030: the median scrape under load takes less than 50 ms: {scrapes[len(scrapes) // 2]:.3f}")
    print(f"scrapes under load: median {scrapes[len(scrapes) // 2] * 1e3:.1f} ms, worst {scrapes[-1] * 1e3:.1f} ms")

    # R213, R215, R216: the names the guide's dashboard reads.
    expect(total(metrics, "llm_requests_total") == 13, f"llm_requests_total is {total(metrics, 'llm_requests_total')}")
    expect(metrics["llm_tokens_generated_total"] == 5 * 32 + 8 * 200, "tokens are counted one by one")
    expect(any(name.startswith("llm_request_duration_seconds_bucket") for name in metrics), "the request histogram has the guide's name")
    expect(any(name.startswith("llm_time_to_first_token_seconds_bucket") for name in metrics), "R010")
    expect(not any(name.startswith("llm_gpu_utilization_percent") for name in metrics), "R016: no GPU, no series")

    # D11: what the dashboards of vLLM, TGI and llama.cpp are drawn from; the whole list is in the unit test.
    model = 'model_name="SmolLM2-135M-Instruct.Q4_1"'
    for name, value in [
        (f'vllm:request_success_total{{finished_reason="length",{model},engine="0"}}', 13),
        (f'vllm:generation_tokens_total{{{model},engine="0"}}', 5 * 32 + 8 * 200),
        (f'vllm:time_to_first_token_seconds_count{{{model},engine="0"}}', 13),
        (f'vllm:e2e_request_latency_seconds_count{{{model},engine="0"}}', 13),
        (f'vllm:request_max_num_generation_tokens_sum{{{model},engine="0"}}', 5 * 32 + 8 * 200),
        ("tgi_request_success", 13),
        ("tgi_request_generated_tokens_sum", 5 * 32 + 8 * 200),
        ('tgi_batch_inference_duration_count{method="prefill"}', 13),
        ("llamacpp:tokens_predicted_total", 5 * 32 + 8 * 200),
        ("llamacpp:requests_processing", 0),
    ]:
        expect(metrics.get(name) == value, f"{name} is {metrics.get(name)}, not {value}")

    # R011, D11: the stages of all requests sum to their durations within 1 %.
    stages = total(metrics, "llm_request_stage_seconds_sum")
    whole = total(metrics, "llm_request_duration_seconds_sum")
    expect(abs(stages - whole) <= 0.01 * whole, f"stages {stages:.4f} s, whole {whole:.4f} s")
    print(f"stages sum to {stages:.4f} s of {whole:.4f} s")

# The other vocabularies can be left out.
with Server("--metrics.aliases", "vllm") as server:
    names = server.metrics()
    expect(any(name.startswith("vllm:") for name in names), "vllm was asked for")
    expect(not any(name.startswith(("tgi_", "llamacpp:")) for name in names), "tgi and llamacpp were not")
print("ok")
