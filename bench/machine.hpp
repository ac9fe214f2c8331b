#pragma once
// What a figure needs beside it to mean anything: the command that made it and the machine it ran on.
#include <cstdio>
#include <fstream>
#include <string>
#include <thread>

namespace troupe::bench {

inline void print_heading(int argc, char** argv) {
  std::printf("command:");
  for (int i = 0; i < argc; ++i) std::printf(" %s", argv[i]);
  std::string model = "unknown CPU", line;
  std::ifstream cpuinfo("/proc/cpuinfo");
  while (std::getline(cpuinfo, line)) {
    if (line.rfind("model name", 0) == 0) {
      model = line.substr(line.find(':') + 2);
      break;
    }
  }
  std::printf("\nmachine: %s, %u cores\n", model.c_str(), std::thread::hardware_concurrency());
}

}  // namespace troupe::bench
