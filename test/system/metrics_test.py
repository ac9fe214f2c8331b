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
    scrapes = []
    threads = [threading.Thread(target=lambda: server.post("/v1/completions", {**body, "max_tokens": 200})) for _ in range(8)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        begin = time.monotonic()
        server.metrics()
        scrapes.append(time.monotonic() - begin)
        time.sleep(0.05)
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

    # R011, D11: the stages of all requests sum to their durations within 1 %.
    stages = total(metrics, "llm_request_stage_seconds_sum")
    whole = total(metrics, "llm_request_duration_seconds_sum")
    expect(abs(stages - whole) <= 0.01 * whole, f"stages {stages:.4f} s, whole {whole:.4f} s")
    print(f"stages sum to {stages:.4f} s of {whole:.4f} s")
print("ok")
