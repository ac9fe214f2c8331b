"""R190-R198: the troubleshooting guide's own load test, unmodified but for its URL, with 0 errors on the default configuration.

    guide_load_test.py [--requests N]     N of the guide's 1,000 requests (check runs 200), 50 at a time
"""
import argparse
import asyncio
import contextlib
import io
import re

from server import SHARED, Server, expect, need_model, need_module, skip, total

parser = argparse.ArgumentParser()
parser.add_argument("--requests", type=int, default=1000)
requests = parser.parse_args().requests

need_model()
need_module("aiohttp")
need_module("numpy")
guide = SHARED / "guide/performance-troubleshooting.md"
if not guide.exists():
    skip("the guide is not here")
script = next(block for block in re.findall(r"```python\n(.*?)```", guide.read_text(), re.S) if "class LoadTester" in block)

with Server() as server:
    space = {"__name__": "guide"}
    exec(compile(script, "load_test.py", "exec"), space)
    tester = space["LoadTester"](endpoint=server.url + "/v1/completions", num_requests=requests, concurrency=50)
    results = []
    make_request = tester.make_request

    async def remember(session, request_id):
        results.append(await make_request(session, request_id))
        return results[-1]

    tester.make_request = remember  # the guide counts any JSON as a success; statuses are looked at here
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        asyncio.run(tester.run_test())
    print(printed.getvalue())
    expect(f"Successful: {requests}" in printed.getvalue() and "Failed: 0" in printed.getvalue(), "the guide's own report shows 0 errors")
    statuses = {result.get("status") for result in results}
    expect(statuses == {200}, f"every status is 200: {statuses}")
    metrics = server.metrics()
    expect(total(metrics, "llm_requests_total") >= requests, "the counter saw them all")
print("ok")
