/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Beside the store, a Redis server: start it, and ask both the same.
 */
#ifndef KV_TESTS_REDIS_H
#define KV_TESTS_REDIS_H

#include "client.h"

static pid_t redis_pid;

/* redis-server on a free port, without any file; its port. */
static UNUSED int
start_redis(void)
{
	char port[16];
	char *const argv[] = {
		(char *)(uintptr_t)"redis-server", (char *)(uintptr_t)"--port",
		port, (char *)(uintptr_t)"--bind",
		(char *)(uintptr_t)"127.0.0.1", (char *)(uintptr_t)"--save",
		(char *)(uintptr_t)"", (char *)(uintptr_t)"--appendonly",
		(char *)(uintptr_t)"no", (char *)(uintptr_t)"--databases",
		(char *)(uintptr_t)"1", NULL
	};

	for (int tries = 0; tries < 20; tries++) {
		int n = 20000 + (int)((unsigned int)(getpid() * 37 +
		    tries * 1009) % 20000), out, status;
		struct client c;

		snprintf(port, sizeof(port), "%d", n);
		redis_pid = spawn(argv, &out, "/dev/null");
		close(out);
		for (int ms = 0; ms < 5000; ms += 20) {
			if (waitpid(redis_pid, &status, WNOHANG) != 0)
				break;
			c = client_open(n);
			if (c.fd >= 0) {
				client_close(&c);
				return n;
			}
			usleep(20000);
		}
		kill(redis_pid, SIGKILL);
		waitpid(redis_pid, &status, 0);
	}
	return -1;
}

/* The number behind this text becomes 0: it differs from server to server. */
static void
mask(char *reply, const char *before)
{
	char *p = strstr(reply, before);

	if (p == NULL)
		return;
	for (p += strlen(before); *p >= '0' && *p <= '9'; p++)
		*p = '0';
}

/*
 * Receive a reply of each; false when they differ.  Times to live may be some
 * seconds apart: the servers look at their clocks one after the other.
 */
static UNUSED bool
same_reply(struct client c[2], const char *line, int sort)
{
	char *reply[2];
	bool same;

	for (int i = 0; i < 2; i++) {
		reply[i] = client_reply(&c[i], sort);
		if (reply[i] != NULL && strncmp(line, "HELLO", 5) == 0) {
			mask(reply[i], "\"id\", :");
			mask(reply[i], "\"id\": :");
		}
	}
	same = reply[0] != NULL && reply[1] != NULL;
	if (same && strncmp(line, "TTL", 3) == 0 && reply[0][1] != '-')
		same = labs(atol(reply[0] + 1) - atol(reply[1] + 1)) < 10;
	else if (same)
		same = strcmp(reply[0], reply[1]) == 0;
	if (!same) {
		diag("%s", line);
		diag("lwkt-kv: %s", reply[0] != NULL ? reply[0] : "closed");
		diag("redis:   %s", reply[1] != NULL ? reply[1] : "closed");
	}
	free(reply[0]);
	free(reply[1]);
	return same;
}

/* One command to both; false when they differ. */
static UNUSED bool
compare(struct client c[2], const char *line, int sort)
{
	for (int i = 0; i < 2; i++)
		client_command(&c[i], line);
	return same_reply(c, line, sort);
}

#endif
