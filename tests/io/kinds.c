/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The whole table: each kind of descriptor and each call, beside the plain
 * system call.
 *
 * Before the library boots, the main thread (a plain pthread) makes each plain
 * call on a descriptor made for it, and notes the result, the data, and what
 * became of the descriptor: position, flags, contents, what the peer received.
 * A call that would wait is ended by a signal.  Then the same is done through
 * the library, on a descriptor made in the same way, and must leave the same
 * behind.  A call that the plain thread waited in must end by its time limit.
 *
 * It is walked again with a host that knows no RWF_NOWAIT.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <unistd.h>

#include "io/subjects.h"
#include "counter.h"
#include "io/iotest.h"

#define BUF		200
#define LEFT		200		/* bytes looked at afterwards */
#define WAITED		(-1000)		/* the plain call had to be ended */

static const struct call {
	const char	*name;
	enum lwkt_sysop	 op;
	unsigned	 len;		/* or events */
	int		 flags;
	int		 off;
} calls[] = {
	{ "read 0", LWKT_SYS_READ, 0, 0, 0 },
	{ "read 4", LWKT_SYS_READ, 4, 0, 0 },
	{ "read 8", LWKT_SYS_READ, 8, 0, 0 },
	{ "read 160", LWKT_SYS_READ, 160, 0, 0 },
	{ "write 0", LWKT_SYS_WRITE, 0, 0, 0 },
	{ "write 4", LWKT_SYS_WRITE, 4, 0, 0 },
	{ "write 8", LWKT_SYS_WRITE, 8, 0, 0 },
	{ "write 20", LWKT_SYS_WRITE, 20, 0, 0 },
	{ "pread 8 at 2", LWKT_SYS_PREAD, 8, 0, 2 },
	{ "pread 0", LWKT_SYS_PREAD, 0, 0, 0 },
	{ "pwrite 8 at 2", LWKT_SYS_PWRITE, 8, 0, 2 },
	{ "pwrite 8 at the limit", LWKT_SYS_PWRITE, 8, 0, LIMIT - 3 },
	{ "recv 0", LWKT_SYS_RECV, 0, 0, 0 },
	{ "recv 8", LWKT_SYS_RECV, 8, 0, 0 },
	{ "recv 1", LWKT_SYS_RECV, 1, 0, 0 },
	{ "recv 8 WAITALL", LWKT_SYS_RECV, 8, MSG_WAITALL, 0 },
	{ "recv 1 TRUNC", LWKT_SYS_RECV, 1, MSG_TRUNC, 0 },
	{ "recv 8 PEEK", LWKT_SYS_RECV, 8, MSG_PEEK, 0 },
	{ "recv 8 OOB", LWKT_SYS_RECV, 8, MSG_OOB, 0 },
	{ "recv 8 ERRQUEUE", LWKT_SYS_RECV, 8, MSG_ERRQUEUE, 0 },
	{ "recv 8 DONTWAIT", LWKT_SYS_RECV, 8, MSG_DONTWAIT, 0 },
	{ "send 0", LWKT_SYS_SEND, 0, 0, 0 },
	{ "send 8", LWKT_SYS_SEND, 8, 0, 0 },
	{ "accept", LWKT_SYS_ACCEPT, 0, 0, 0 },
	{ "poll IN", LWKT_SYS_POLL, 0, POLLIN, 0 },
	{ "poll OUT", LWKT_SYS_POLL, 0, POLLOUT, 0 },
	{ "poll PRI", LWKT_SYS_POLL, 0, POLLPRI, 0 },
	{ "poll RDHUP", LWKT_SYS_POLL, 0, POLLRDHUP, 0 },
	{ "fsync", LWKT_SYS_FSYNC, 0, 0, 0 },
	{ "close", LWKT_SYS_CLOSE, 0, 0, 0 },
};
#define NKINDS	100
#define NCALLS	((int)(sizeof(calls) / sizeof(calls[0])))

/* What a call did. */
struct outcome {
	int	made;		/* there was such a descriptor */
	int	result;		/* or -errno, or WAITED */
	int	waited;		/* at the end, perhaps after a part */
	int	pos;		/* afterwards; -errno */
	int	flags;		/* F_GETFL */
	int	fdflags;	/* F_GETFD */
	int	queued;		/* FIONREAD */
	int	nleft;		/* at the peer, or in the file */
	char	buf[BUF];
	char	left[LEFT];
};
static struct outcome expected[NKINDS][NCALLS];

static volatile sig_atomic_t alarmed;	/* during the last plain call */

static void
ended(int sig)
{
	(void)sig;
	alarmed = 1;
}

static int
neg(int r)
{
	return r >= 0 ? r : -errno;
}

static void
look_after(const struct subject *s, struct outcome *o)
{
	int n = 0;

	o->pos = neg((int)lseek(s->fd, 0, SEEK_CUR));
	o->flags = neg(fcntl(s->fd, F_GETFL));
	o->fdflags = neg(fcntl(s->fd, F_GETFD));
	o->queued = ioctl(s->fd, FIONREAD, &n) == 0 ? n : -errno;
	if (s->peer >= 0) {
		fcntl(s->peer, F_SETFL, fcntl(s->peer, F_GETFL) | O_NONBLOCK);
		o->nleft = neg((int)read(s->peer, o->left, LEFT));
	} else {
		o->nleft = neg((int)pread(s->fd, o->left, LEFT, LIMIT - 60));
		if (o->nleft == 0)
			o->nleft = neg((int)pread(s->fd, o->left, LEFT, 0));
	}
}

static void
begin(struct subject *s, const struct subject_kind *k, struct outcome *o)
{
	memset(o, 0, sizeof(*o));
	*s = (struct subject){ -2, -1 };
	k->make(s);
	o->made = s->fd != -2;
	for (int i = 0; i < BUF; i++)
		o->buf[i] = (char)('A' + i % 26);
	/* A counter takes a number, and not the largest. */
	memset(o->buf, 0, 7);
}

static void
end(struct subject *s)
{
	if (s->fd >= 0)
		close(s->fd);
	if (s->peer >= 0)
		close(s->peer);
}

static int
accepted(int r)
{
	if (r < 0)
		return r;
	close(r);
	return 0;
}

static int
plain_poll(int fd, int events)
{
	struct pollfd p = { fd, (short)events, 0 };
	int n = fd >= 0 ? poll(&p, 1, 2) : 1;

	if (n <= 0)
		return n;
	errno = EBADF;			/* which poll(2) has no way to say */
	return fd < 0 || (p.revents & POLLNVAL) ? -1 : p.revents;
}

static int
plain(const struct call *c, int fd, char *buf)
{
	switch (c->op) {
	case LWKT_SYS_READ:
		return (int)read(fd, buf, c->len);
	case LWKT_SYS_WRITE:
		return (int)write(fd, buf, c->len);
	case LWKT_SYS_PREAD:
		return (int)pread(fd, buf, c->len, c->off);
	case LWKT_SYS_PWRITE:
		return (int)pwrite(fd, buf, c->len, c->off);
	case LWKT_SYS_RECV:
		return (int)recv(fd, buf, c->len, c->flags);
	case LWKT_SYS_SEND:
		return (int)send(fd, buf, c->len, MSG_NOSIGNAL);
	case LWKT_SYS_ACCEPT:
		return accept(fd, NULL, NULL);
	case LWKT_SYS_POLL:
		return plain_poll(fd, c->flags);
	case LWKT_SYS_FSYNC:
		return fsync(fd);
	default:
		return close(fd);
	}
}

/*
 * The plain call; a timer that goes on and on ends one that waits.  The
 * library waits on an O_NONBLOCK descriptor, too.
 */
static int
plain_result(const struct call *c, int fd, char *buf)
{
	struct itimerval on = { { 0, 2000 }, { 0, 2000 } }, off = { 0 };
	int r, lets = (fcntl(fd, F_GETFL) & O_NONBLOCK) != 0 &&
	    (c->op != LWKT_SYS_RECV || (c->flags & MSG_DONTWAIT) == 0);

	alarmed = 0;
	setitimer(ITIMER_REAL, &on, NULL);
	r = neg(plain(c, fd, buf));
	setitimer(ITIMER_REAL, &off, NULL);
	if (r == -EINTR || (r == -EAGAIN && lets) ||
	    (r == 0 && c->op == LWKT_SYS_POLL))
		return WAITED;
	return c->op == LWKT_SYS_ACCEPT ? accepted(r) : r;
}

static void
expect_all(void)
{
	struct subject s;
	struct outcome *o;

	for (int k = 0; k < subject_nkinds; k++) {
		for (int c = 0; c < NCALLS; c++) {
			o = &expected[k][c];
			begin(&s, &subject_kinds[k], o);
			if (!o->made)
				continue;
			o->result = plain_result(&calls[c], s.fd, o->buf);
			o->waited = o->result == WAITED ||
			    (alarmed && (calls[c].flags & MSG_WAITALL));
			look_after(&s, o);
			if (calls[c].op == LWKT_SYS_CLOSE)
				s.fd = -1;
			end(&s);
		}
	}
}

static int
ours(const struct call *c, int fd, char *buf, int waits)
{
	struct lwkt_sysmsg sm;
	int r;

	lwkt_sysmsg_init(&sm, lwkt_curport(), c->op, fd);
	sm.sm_buf = c->op == LWKT_SYS_ACCEPT ? NULL : buf;
	sm.sm_len = c->len;
	sm.sm_off = c->off;
	sm.sm_flags = c->flags;
	sm.sm_timeout_ns = waits ? MS : 20000 * MS;
	r = (int)lwkt_dosys(&sm);
	if (r == -ETIMEDOUT || (r == 0 && c->op == LWKT_SYS_POLL))
		return WAITED;
	return c->op == LWKT_SYS_ACCEPT ? accepted(r) : r;
}

static int
same(const struct outcome *a, const struct outcome *b)
{
	return a->result == b->result && (!a->waited || b->waited) &&
	    a->pos == b->pos &&
	    a->flags == b->flags && a->fdflags == b->fdflags &&
	    a->queued == b->queued && a->nleft == b->nleft &&
	    memcmp(a->buf, b->buf, BUF) == 0 &&
	    memcmp(a->left, b->left, LEFT) == 0;
}

static void
show(const char *who, const struct outcome *o)
{
	diag("%s: result %d, waited %d, position %d, flags %#x %#x, "
	    "queued %d, left %d \"%.20s\", data \"%.20s\"", who, o->result,
	    !!o->waited, o->pos, o->flags, o->fdflags, o->queued, o->nleft,
	    o->left, o->buf + 7);
}

static void
walk(void)
{
	struct outcome o, *e;
	struct subject s;
	int bad;

	for (int k = 0; k < subject_nkinds; k++) {
		bad = 0;
		for (int c = 0; c < NCALLS; c++) {
			e = &expected[k][c];
			begin(&s, &subject_kinds[k], &o);
			if (!o.made)
				continue;
			o.waited = (int)counter("lwkt.io.timeouts");
			o.result = ours(&calls[c], s.fd, o.buf,
			    e->waited);
			o.waited -= (int)counter("lwkt.io.timeouts");
			look_after(&s, &o);
			if (calls[c].op == LWKT_SYS_CLOSE)
				s.fd = -1;
			end(&s);
			if (same(&o, e))
				continue;
			bad++;
			diag("%s, %s", subject_kinds[k].name, calls[c].name);
			show("plain", e);
			show("lwkt", &o);
		}
		is_int(bad, 0, "%s: each of %d calls does what the plain "
		    "one does", subject_kinds[k].name, NCALLS);
	}
}

static int
test(void *arg)
{
	(void)arg;
	iotest_backend();
	walk();
	return 0;
}


int
main(void)
{
	struct sigaction sa = { .sa_handler = ended };	/* no SA_RESTART */
	int status;

	if (subject_nkinds > NKINDS)
		return 1;
	subject_prepare();
	sigaction(SIGALRM, &sa, NULL);
	expect_all();
	setenv("LWKT_FAIL", "hostcall.nowait:*", 1);
	iotest_boot(test, 2);
	unsetenv("LWKT_FAIL");
	status = iotest_run(test, 2);
	subject_clean();
	return status;
}
