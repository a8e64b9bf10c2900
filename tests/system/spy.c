// SPDX-License-Identifier: Apache-2.0
// Preloaded into a worker: when it begins to listen, in its sandbox, says which of SERIN_SPY's files
// it could read.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int listen(int socket, int backlog) {
  char* rest = strdup(getenv("SERIN_SPY"));
  char* at = rest;
  for (char* path; (path = strsep(&at, ":")) != NULL;) {
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    dprintf(STDERR_FILENO, "spy: %s: %s\n", path, file < 0 ? strerror(errno) : "opened");
    if (file >= 0) close(file);
  }
  free(rest);
  int (*real)(int, int) = (int (*)(int, int))dlsym(RTLD_NEXT, "listen");
  return real(socket, backlog);
}
