#pragma once
// A test that cannot run where it stands says so: skip("no model; run ./quickstart --build-only"); return;
#include <cstdio>
#include <string>

namespace troupe::test {
void skip(const std::string& reason);
}
