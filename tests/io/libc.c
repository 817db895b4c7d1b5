/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Name service and programs: the results are those of libc, the CPU goes on,
 * and a look-up that was left at its limit is freed once.
 *
 * getaddrinfo and freeaddrinfo are this file's, so that a look-up can be slow.
 */
#include <dlfcn.h>
#include <lwkt/libc.h>
#include <netdb.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/iotest.h"

#define STREAMS		20
#define MUCH		(1 << 20)

static sem_t gate;			/* a slow look-up waits here */
static uint32_t slow, freed, went_on;

int
getaddrinfo(const char *node, const char *service,
    const struct addrinfo *hints, struct addrinfo **res)
{
	int (*plain)(const char *, const char *, const struct addrinfo *,
	    struct addrinfo **) = dlsym(RTLD_NEXT, "getaddrinfo");

	if (__atomic_load_n(&slow, __ATOMIC_SEQ_CST))
		while (sem_wait(&gate) != 0)
			continue;
	return plain(node, service, hints, res);
}

void
freeaddrinfo(struct addrinfo *ai)
{
	void (*plain)(struct addrinfo *) = dlsym(RTLD_NEXT, "freeaddrinfo");

	__atomic_add_fetch(&freed, 1, __ATOMIC_SEQ_CST);
	plain(ai);
}

static const struct addrinfo numeric = {
	.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
	.ai_socktype = SOCK_STREAM,
};

static void
names(void)
{
	struct addrinfo bad = { .ai_flags = 0x7fff0000 }, *ai = NULL;
	const struct sockaddr_in *sin;
	char host[100] = "", serv[100] = "";

	is_int(lwkt_getaddrinfo("127.0.0.1", "80", &numeric, &ai), 0,
	    "an address is found");
	sin = (const void *)ai->ai_addr;
	ok(ai->ai_family == AF_INET && sin->sin_port == htons(80) &&
	    sin->sin_addr.s_addr == htonl(INADDR_LOOPBACK), "the right one");
	is_int(lwkt_getnameinfo(ai->ai_addr, ai->ai_addrlen, host,
	    sizeof(host), serv, sizeof(serv), NI_NUMERICHOST |
	    NI_NUMERICSERV), 0, "and its name");
	ok(strcmp(host, "127.0.0.1") == 0 && strcmp(serv, "80") == 0,
	    "which is %s, port %s", host, serv);
	is_int(lwkt_getnameinfo(ai->ai_addr, ai->ai_addrlen, host, 1, NULL, 0,
	    NI_NUMERICHOST), EAI_OVERFLOW, "a name that is too long");
	freeaddrinfo(ai);
	ai = NULL;
	is_int(lwkt_getaddrinfo("no number", "80", &numeric, &ai), EAI_NONAME,
	    "no such name");
	is_int(lwkt_getaddrinfo(NULL, NULL, NULL, &ai), EAI_NONAME,
	    "no name at all");
	is_int(lwkt_getaddrinfo("127.0.0.1", "80", &bad, &ai), EAI_BADFLAGS,
	    "wrong flags");
	ok(ai == NULL, "and no address");
}

/* Of the same CPU: it runs while the look-up waits, and ends that. */
static void
opener(void *arg)
{
	(void)arg;
	let_others_wait();
	went_on = 1;
	sem_post(&gate);
}

static void
slow_names(void)
{
	char service[] = "80";
	struct addrinfo *ai = NULL;
	lwkt_thread_t td;
	uint32_t before;
	int error;

	__atomic_store_n(&slow, 1, __ATOMIC_SEQ_CST);
	td = spawn(opener, NULL, 0);
	is_int(lwkt_getaddrinfo("127.0.0.1", "80", &numeric, &ai), 0,
	    "a slow look-up");
	is_int(went_on, 1, "blocks its thread only");
	(void)lwkt_join(td);
	freeaddrinfo(ai);
	ai = NULL;
	before = __atomic_load_n(&freed, __ATOMIC_SEQ_CST);
	errno = 0;
	error = lwkt_getaddrinfo_timo("127.0.0.1", service, &numeric, &ai,
	    20 * MS);
	ok(error == EAI_SYSTEM && errno == ETIMEDOUT && ai == NULL,
	    "a time limit: %d, errno %d", error, errno);
	service[0] = 'x';		/* the look-up has a copy */
	sem_post(&gate);
	while (__atomic_load_n(&freed, __ATOMIC_SEQ_CST) == before)
		lwkt_sleep_ns(MS);
	is_int((int)(freed - before), 1, "what it finds later is freed");
	__atomic_store_n(&slow, 0, __ATOMIC_SEQ_CST);
}

static void
programs(void)
{
	int status = lwkt_system("exit 3");

	ok(WIFEXITED(status) && WEXITSTATUS(status) == 3,
	    "system: the status of the command");
	is_int(lwkt_system(NULL), 1, "system: there is a shell");
}

static void
counts_on(void *arg)
{
	(void)arg;
	went_on++;
}

static void
reading(void)
{
	FILE *f = lwkt_popen("echo one; sleep 0.05; echo two; exit 7", "r");
	char line[2][20] = { "", "" };
	lwkt_thread_t td;
	int status;

	went_on = 0;
	td = spawn(counts_on, NULL, 0);
	ok(f != NULL && fgets(line[0], 20, f) != NULL &&
	    fgets(line[1], 20, f) != NULL, "popen: two lines");
	ok(strcmp(line[0], "one\n") == 0 && strcmp(line[1], "two\n") == 0,
	    "popen: the right ones");
	is_int(went_on, 1, "popen: the CPU goes on meanwhile");
	is_int(fgetc(f), EOF, "popen: the end");
	status = lwkt_pclose(f);
	ok(WIFEXITED(status) && WEXITSTATUS(status) == 7,
	    "pclose: the status of the program");
	(void)lwkt_join(td);
}

static void
writing(void)
{
	FILE *f = lwkt_popen("test $(wc -c) -eq 1048576", "we");
	int i;

	for (i = 0; i < MUCH; i++)
		fputc('x', f);
	is_int(lwkt_pclose(f), 0, "popen: a program reads all of a MiB");
	f = lwkt_popen("exit 0", "w");
	for (i = 0; i < MUCH && fputc('x', f) != EOF; i++)
		continue;
	ok(ferror(f), "popen: a program that does not read");
	is_int(lwkt_pclose(f), 0, "pclose: its status nevertheless");
}

/* No program has the ends of other streams, or these would never end. */
static void
several(void)
{
	FILE *f[STREAMS];
	int i, good = 0;

	for (i = 0; i < STREAMS; i++)
		f[i] = lwkt_popen("cat >/dev/null", "w");
	for (i = 0; i < STREAMS; i++)
		good += f[i] != NULL && lwkt_pclose(f[i]) == 0;
	is_int(good, STREAMS, "popen: %d streams", STREAMS);
}

static void
wrong(void)
{
	static const char *const types[] = { "", "x", "rw", "r+", "wx", "er" };

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		errno = 0;
		ok(lwkt_popen("true", types[i]) == NULL && errno == EINVAL,
		    "popen: type \"%s\"", types[i]);
	}
	errno = 0;
	ok(lwkt_pclose(stdin) == -1 && errno == EINVAL,
	    "pclose: no stream of popen");
}

static FILE *left;

static int
all(void *arg)
{
	(void)arg;
	names();
	slow_names();
	programs();
	reading();
	writing();
	several();
	wrong();
	left = lwkt_popen("read x; test \"$x\" = late", "w");
	return 0;
}

/* The host refuses every carrier. */
static int
refused(void *arg)
{
	struct addrinfo *ai = NULL;

	(void)arg;
	errno = 0;
	is_int(lwkt_getaddrinfo("127.0.0.1", "80", &numeric, &ai), EAI_SYSTEM,
	    "no carrier: getaddrinfo");
	is_int(errno, EAGAIN, "no carrier: its errno");
	errno = 0;
	is_int(lwkt_getnameinfo(NULL, 0, NULL, 0, NULL, 0, 0), EAI_SYSTEM,
	    "no carrier: getnameinfo");
	is_int(errno, EAGAIN, "no carrier: its errno");
	errno = 0;
	is_int(lwkt_system("true"), -1, "no carrier: system");
	is_int(errno, EAGAIN, "no carrier: its errno");
	errno = 0;
	ok(lwkt_popen("true", "r") == NULL && errno == EAGAIN,
	    "no carrier: popen");
	return 0;
}

int
main(void)
{
	int status;

	signal(SIGPIPE, SIG_IGN);	/* before Linux 6.18 */
	sem_init(&gate, 0, 0);
	iotest_boot(all, 1);
	fputs("late\n", left);		/* the kernel has ended */
	ok(fclose(left) == 0 && wait(&status) > 0 && status == 0,
	    "a stream is written out after the end");
	setenv("LWKT_FAIL", "carrier.create:*", 1);
	iotest_boot(refused, 1);
	return tap_done();
}
