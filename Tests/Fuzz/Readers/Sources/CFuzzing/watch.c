#include "CFuzzing.h"

#include <sanitizer/common_interface_defs.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

// Leaks are not what is looked for. Allocations beyond the limit fail: htslib, which takes lengths from files, must live with that; Swift
// ends the process, which is a finding: no small file is worth so much memory. The quarantine is small, or each large buffer would be fresh memory.
const char *__asan_default_options(void) {
  return "detect_leaks=0:handle_abort=1:handle_sigill=1:handle_sigtrap=1:handle_sigfpe=1:allocator_may_return_null=1:"
         "max_allocation_size_mb=256:hard_rss_limit_mb=4096:quarantine_size_mb=8:malloc_context_size=8:"
         "allocator_release_to_os_interval_ms=-1";
}

static const char *current_target = "";
static volatile uint64_t current_seed;
static volatile bool is_reading;

static void name_input(void) {
  char text[200];
  const int count = snprintf(text, sizeof text, "\nfuzz: ended by %s, seed %llu; again with: Scripts/fuzz 1 %llu %s\n", current_target,
                             (unsigned long long)current_seed, (unsigned long long)current_seed, current_target);
  if (write(STDERR_FILENO, text, (size_t)count) < 0) _exit(1);
}

static void hang(int signal) {
  (void)signal;
  static const char text[] = "fuzz: the input takes too long\n";
  if (write(STDERR_FILENO, text, sizeof text - 1) < 0) _exit(1);
  abort();
}

// A library may end the process without a word.
static void leave(void) {
  if (is_reading) abort();
}

void fuzz_watch(const char *target) {
  current_target = strdup(target);
  static bool is_watched;
  if (!is_watched) atexit(leave);
  is_watched = true;
  __sanitizer_set_death_callback(name_input);
  signal(SIGPROF, hang);
}

void fuzz_begin(uint64_t seed, uint32_t seconds) {
  current_seed = seed;
  is_reading = seconds > 0;
  const struct itimerval limit = {.it_value = {.tv_sec = seconds}};
  setitimer(ITIMER_PROF, &limit, NULL);
}
