// SPDX-License-Identifier: Apache-2.0
// The first process of a pod: keeps its namespaces alive, buries its orphans, ends when told to.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static void bury(int signal) {
  (void)signal;
  while (waitpid(-1, 0, WNOHANG) > 0) {
  }
}

static void end(int signal) {
  (void)signal;
  _exit(0);
}

int main(void) {
  struct sigaction child = {.sa_handler = bury, .sa_flags = SA_NOCLDSTOP};
  sigaction(SIGCHLD, &child, 0);
  signal(SIGTERM, end);
  signal(SIGINT, end);
  for (;;) pause();
}
