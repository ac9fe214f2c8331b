#!/usr/bin/env python3
"""Drives the page at / in headless Chromium: types a question, reads the streamed answer, takes a picture.

Not part of ./check (it needs Debian's chromium and playwright from PyPI):
    apt-get install chromium && .venv/bin/pip install playwright
    .venv/bin/python test/system/browser_playground.py [picture.png]
"""
import sys
import time

from server import ROOT, Server, expect, need_model, need_module

need_model()
need_module("playwright")
from playwright.sync_api import sync_playwright

picture = sys.argv[1] if len(sys.argv) > 1 else str(ROOT / "build/playground.png")

with Server() as server, sync_playwright() as playwright:
    browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
    page = browser.new_page(viewport={"width": 1280, "height": 860})
    requests, problems = [], []
    page.on("request", lambda request: requests.append(request.url))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.goto(server.url + "/")
    page.fill("textarea#input", "Why is the sky blue?")
    page.press("textarea#input", "Enter")
    answer = page.locator(".message.assistant .text")
    seen = []
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        text = answer.last.inner_text() if answer.count() else ""
        if not seen or text != seen[-1]:
            seen.append(text)
        if page.locator("#stop").is_hidden() and text:
            break
        time.sleep(0.02)
    expect(len(seen) > 3, f"the answer grew while it was streamed: {len(seen)} states")
    expect(len(seen[-1]) > 20, f"an answer: {seen[-1]!r}")
    time.sleep(1.5)  # one more reading of the charts
    page.screenshot(path=picture)
    page.set_viewport_size({"width": 390, "height": 844})
    page.screenshot(path=picture.replace(".png", "-phone.png"))
    wide = page.evaluate("document.documentElement.scrollWidth")
    expect(wide <= 390, f"the page fits a phone: {wide} px wide")
    expect(all(url.startswith((server.url, "data:", "blob:")) for url in requests), f"no request to another host: {requests}")
    expect(not problems, f"no errors in the console: {problems}")
    browser.close()
print(f"ok: {len(seen)} states of the answer, picture {picture}")
