/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The model's files: sockets, listeners, pipes, files in memory, children.
 *
 * THEORY
 * simfile_op does an operation if it can be done at once, and else returns
 * -EAGAIN.  (The functions op_ return the result, -EAGAIN or another -errno.)
 * The seed decides when a transfer is short.  A file exists while descriptors,
 * operations in flight or the queue of a listener refer to it, as on a real
 * host: an operation that was begun on a descriptor goes on after the close.
 *
 * When an operation has changed a file, operations that wait on this file may
 * go on.  sim_io.c keeps those operations.  It passes to simfile_reset the
 * function that is called then, file_changed.
 *
 * All this runs on one host thread without choice points, so nothing here needs
 * protection.
 */
#include "machine/sim/sim_file.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/wait.h>

#include "base/kassert.h"

#define FIRST_FD	3
#define NFILES		(2 * SIM_IO_FDS)
#define NNODES		16
#define NCHILDREN	64
#define FIRST_PID	100

/* A file in memory. */
struct simnode {
	char		 sn_name[32];	/* "": unused */
	int64_t		 sn_size;
	char		 sn_data[SIM_IO_FILE];
};

/* A child process. */
struct simchild {
	struct sim_event sc_event;	/* the child's end; first field */
	int		 sc_status;	/* for waitpid */
	enum { SC_NONE, SC_RUNS, SC_ZOMBIE } sc_state;
};

static struct simfile files[NFILES];
static struct simfile *fdtab[SIM_IO_FDS];
static struct simnode nodes[NNODES];
static struct simchild children[NCHILDREN];
static void (*file_changed)(struct simfile *sf);	/* see THEORY */

void
simfile_reset(void (*changed)(struct simfile *sf))
{
	file_changed = changed;
	memset(files, 0, sizeof(files));
	memset(fdtab, 0, sizeof(fdtab));
	memset(nodes, 0, sizeof(nodes));
	memset(children, 0, sizeof(children));
}

/* Return the file of a descriptor, or NULL. */
struct simfile *
simfile_of(int fd)
{
	return fd >= 0 && fd < SIM_IO_FDS ? fdtab[fd] : NULL;
}

/* Take an unused file; panic if there is none. */
static struct simfile *
file_new(enum simfile_type type)
{
	for (int i = 0; i < NFILES; i++) {
		if (files[i].sf_type == SF_FREE) {
			memset(&files[i], 0, sizeof(files[i]));
			files[i].sf_type = type;
			return &files[i];
		}
	}
	lwkt_panic("sim_file: more than %d files", NFILES);
}

void
simfile_hold(struct simfile *sf)
{
	sf->sf_refs++;
}

/* Mark peer, the other end of a file that ends, as hung up.  NULL: nothing. */
static void
hang_up(struct simfile *peer)
{
	if (peer == NULL)
		return;
	peer->sf_peer = NULL;
	peer->sf_hungup = 1;
	file_changed(peer);
}

/* Drop a reference; the last one ends the file. */
void
simfile_drop(struct simfile *sf)
{
	KASSERT(sf->sf_refs > 0);
	if (--sf->sf_refs > 0)
		return;
	hang_up(sf->sf_peer);
	for (int i = 0; i < sf->sf_nqueue; i++)
		simfile_drop(sf->sf_queue[i]);
	sf->sf_type = SF_FREE;
}

/* Give a file the lowest free descriptor, and return it, or -EMFILE. */
static int
fd_new(struct simfile *sf)
{
	simfile_hold(sf);
	for (int fd = FIRST_FD; fd < SIM_IO_FDS; fd++) {
		if (fdtab[fd] == NULL) {
			fdtab[fd] = sf;
			return fd;
		}
	}
	simfile_drop(sf);
	return -EMFILE;
}

/* Make two files each other's peer. */
static void
join(struct simfile *a, struct simfile *b)
{
	a->sf_peer = b;
	b->sf_peer = a;
}

/* Make two files that are each other's peer, with descriptors fd[0], fd[1]. */
static int
fd_pair(enum simfile_type type, int fd[2])
{
	struct simfile *a = file_new(type), *b = file_new(type);

	b->sf_half = 1;
	join(a, b);
	fd[0] = fd_new(a);
	fd[1] = fd_new(b);
	KASSERTF(fd[0] >= 0 && fd[1] >= 0, "sim_file: more than %d descriptors",
	    SIM_IO_FDS);
	return 0;
}

int
sim_socketpair(int fd[2])
{
	int r;

	sim_enter();
	r = fd_pair(SF_SOCKET, fd);
	sim_leave();
	return r;
}

int
sim_dgrampair(int fd[2])
{
	int r;

	sim_enter();
	r = fd_pair(SF_DGRAM, fd);
	sim_leave();
	return r;
}

int
sim_pipe(int fd[2])
{
	int r;

	sim_enter();
	r = fd_pair(SF_PIPE, fd);
	sim_leave();
	return r;
}

int
sim_socket(void)
{
	int fd;

	sim_enter();
	fd = fd_new(file_new(SF_SOCKET));
	sim_leave();
	return fd;
}

int
sim_listen(int port)
{
	struct simfile *sf;
	int fd;

	sim_enter();
	sf = file_new(SF_LISTENER);
	sf->sf_port = port;
	fd = fd_new(sf);
	sim_leave();
	return fd;
}

int
sim_open_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < SIM_IO_FDS; fd++)
		n += fdtab[fd] != NULL;
	return n;
}

/* Return how many of n bytes to move now: all, or a random part, at least 1. */
static size_t
some(size_t n)
{
	if (n <= 1 || sim_random(3) != 0)
		return n;
	return 1 + sim_random((uint32_t)n);
}

/*
 * Read what has arrived at a socket or a pipe, or a part of that.  Returns 0 if
 * nothing has arrived and the peer is closed.  MSG_PEEK removes nothing.
 */
static int64_t
op_recv(struct simfile *sf, struct hostio *io)
{
	size_t n = io->io_len < sf->sf_len ? io->io_len : sf->sf_len;
	char *p = io->io_buf;

	if (sf->sf_type == SF_PIPE && sf->sf_half != 0)
		return -EBADF;
	if (sf->sf_peer == NULL && !sf->sf_hungup)
		return -ENOTCONN;
	if (n == 0 && io->io_len > 0)
		return sf->sf_hungup ? 0 : -EAGAIN;
	n = some(n);
	for (size_t i = 0; i < n; i++)
		p[i] = sf->sf_buf[(sf->sf_head + i) % SIM_IO_BUF];
	if (io->io_op == HIO_RECV && (io->io_flags & MSG_PEEK))
		return (int64_t)n;
	sf->sf_head = (sf->sf_head + (unsigned)n) % SIM_IO_BUF;
	sf->sf_len -= (unsigned)n;
	if (sf->sf_peer != NULL)
		file_changed(sf->sf_peer);
	return (int64_t)n;
}

/* Write to the peer's buffer what fits, or a part of that. */
static int64_t
op_send(struct simfile *sf, struct hostio *io)
{
	struct simfile *to = sf->sf_peer;
	const char *p = io->io_buf;
	size_t n;

	if (sf->sf_type == SF_PIPE && sf->sf_half != 1)
		return -EBADF;
	if (to == NULL)
		return sf->sf_hungup ? -EPIPE : -ENOTCONN;
	n = SIM_IO_BUF - to->sf_len;
	if (n > io->io_len)
		n = io->io_len;
	if (n == 0)
		return io->io_len == 0 ? 0 : -EAGAIN;
	n = some(n);
	for (size_t i = 0; i < n; i++)
		to->sf_buf[(to->sf_head + to->sf_len + i) % SIM_IO_BUF] = p[i];
	to->sf_len += (unsigned)n;
	file_changed(to);
	return (int64_t)n;
}

/*
 * Return the address of byte i of the buffer of sf.  In a datagram socket a
 * byte with the length precedes each message, so messages stay separate.
 */
static char *
at(struct simfile *sf, unsigned i)
{
	return &sf->sf_buf[(sf->sf_head + i) % SIM_IO_BUF];
}

/* Read one message; what does not fit into the caller's buffer is lost. */
static int64_t
op_recv_dgram(struct simfile *sf, struct hostio *io)
{
	unsigned n, len;
	char *p = io->io_buf;

	if (sf->sf_len == 0)
		return -EAGAIN;
	n = (unsigned char)*at(sf, 0);
	len = io->io_len < n ? (unsigned)io->io_len : n;
	for (unsigned i = 0; i < len; i++)
		p[i] = *at(sf, 1 + i);
	sf->sf_head = (sf->sf_head + 1 + n) % SIM_IO_BUF;
	sf->sf_len -= 1 + n;
	if (sf->sf_peer != NULL)
		file_changed(sf->sf_peer);
	return len;
}

/* Write one message to the peer, whole or not at all. */
static int64_t
op_send_dgram(struct simfile *sf, struct hostio *io)
{
	struct simfile *to = sf->sf_peer;
	const char *p = io->io_buf;

	if (to == NULL)
		return -ECONNREFUSED;
	if (io->io_len + 1 > SIM_IO_BUF)
		return -EMSGSIZE;
	if (to->sf_len + 1 + io->io_len > SIM_IO_BUF)
		return -EAGAIN;
	*at(to, to->sf_len) = (char)io->io_len;
	for (unsigned i = 0; i < io->io_len; i++)
		*at(to, to->sf_len + 1 + i) = p[i];
	to->sf_len += 1 + (unsigned)io->io_len;
	file_changed(to);
	return (int64_t)io->io_len;
}

/* Read or write a file in memory at *posp, and advance *posp. */
static int64_t
op_file(struct simfile *sf, struct hostio *io, int writing, int64_t *posp)
{
	struct simnode *sn = sf->sf_node;
	int64_t room = (writing ? SIM_IO_FILE : sn->sn_size) - *posp;
	size_t n = io->io_len;

	if (room <= 0)
		return writing && n > 0 ? -ENOSPC : 0;
	if (n > (size_t)room)
		n = (size_t)room;
	if (writing)
		memcpy(sn->sn_data + *posp, io->io_buf, n);
	else
		memcpy(io->io_buf, sn->sn_data + *posp, n);
	*posp += (int64_t)n;
	if (writing && *posp > sn->sn_size)
		sn->sn_size = *posp;
	return (int64_t)n;
}

/* Do a read or write on a file of any type. */
static int64_t
op_transfer(struct simfile *sf, struct hostio *io)
{
	int writing = io->io_op == HIO_SEND || io->io_op == HIO_WRITE ||
	    io->io_op == HIO_PWRITE;
	int64_t pos = io->io_off;

	if (sf->sf_type == SF_LISTENER)
		return -ENOTCONN;
	if (io->io_op == HIO_PREAD || io->io_op == HIO_PWRITE)
		return sf->sf_type == SF_FILE ?
		    op_file(sf, io, writing, &pos) : -ESPIPE;
	if (sf->sf_type == SF_FILE)
		return io->io_op == HIO_RECV || io->io_op == HIO_SEND ?
		    -ENOTSOCK : op_file(sf, io, writing, &sf->sf_pos);
	if (sf->sf_type == SF_DGRAM)
		return writing ? op_send_dgram(sf, io) :
		    op_recv_dgram(sf, io);
	return writing ? op_send(sf, io) : op_recv(sf, io);
}

/* Give the first connection of a listener's queue a descriptor. */
static int64_t
op_accept(struct simfile *sf)
{
	int fd;

	if (sf->sf_type != SF_LISTENER)
		return -EINVAL;
	if (sf->sf_nqueue == 0)
		return -EAGAIN;
	fd = fd_new(sf->sf_queue[0]);
	if (fd < 0)
		return fd;
	simfile_drop(sf->sf_queue[0]);
	sf->sf_nqueue--;
	memmove(sf->sf_queue, sf->sf_queue + 1,
	    (size_t)sf->sf_nqueue * sizeof(sf->sf_queue[0]));
	return fd;
}

/* Return the listener on a port, or NULL. */
static struct simfile *
listener_of(int port)
{
	for (int i = 0; i < NFILES; i++)
		if (files[i].sf_type == SF_LISTENER &&
		    files[i].sf_port == port)
			return &files[i];
	return NULL;
}

/*
 * Connect a socket to a listener: make the other end and queue it there.
 * Returns -EAGAIN if the queue is full, and by chance.
 */
static int64_t
op_connect(struct simfile *sf, struct hostio *io)
{
	const struct sockaddr_in *sin = io->io_buf;
	struct simfile *to = listener_of(ntohs(sin->sin_port)), *other;

	if (sf->sf_type != SF_SOCKET)
		return -ENOTSOCK;
	if (sf->sf_peer != NULL)
		return -EISCONN;
	if (to == NULL)
		return -ECONNREFUSED;
	if (to->sf_nqueue == (int)nitems(to->sf_queue) || sim_random(2) != 0)
		return -EAGAIN;
	other = file_new(SF_SOCKET);
	simfile_hold(other);
	join(sf, other);
	to->sf_queue[to->sf_nqueue++] = other;
	file_changed(to);
	return 0;
}

/*
 * Return those of the wanted events and POLLHUP that are ready; -EAGAIN if none
 * is.
 */
static int64_t
op_poll(struct simfile *sf, struct hostio *io)
{
	int events = 0;

	if (sf->sf_type == SF_FILE)
		events = POLLIN | POLLOUT;
	if (sf->sf_len > 0 || sf->sf_hungup || sf->sf_nqueue > 0)
		events |= POLLIN;
	if (sf->sf_hungup)
		events |= POLLHUP;
	if (sf->sf_peer != NULL && sf->sf_peer->sf_len < SIM_IO_BUF)
		events |= POLLOUT;
	events &= io->io_flags | POLLHUP;
	return events != 0 ? events : -EAGAIN;
}

/* Open a file in memory by its name; O_CREAT creates a file that is missing. */
static int64_t
op_open(struct hostio *io)
{
	struct simnode *sn = NULL, *unused = NULL;
	struct simfile *sf;

	for (int i = 0; i < NNODES; i++) {
		if (strcmp(nodes[i].sn_name, io->io_buf) == 0)
			sn = &nodes[i];
		else if (nodes[i].sn_name[0] == '\0' && unused == NULL)
			unused = &nodes[i];
	}
	if (sn == NULL && (io->io_flags & O_CREAT) == 0)
		return -ENOENT;
	if (sn == NULL && (sn = unused) == NULL)
		return -ENOSPC;
	strncpy(sn->sn_name, io->io_buf, sizeof(sn->sn_name) - 1);
	sf = file_new(SF_FILE);
	sf->sf_node = sn;
	return fd_new(sf);
}

/* End a child process, so that a waitpid may reap it; called by its event. */
static void
child_ends(struct sim_event *se)
{
	((struct simchild *)se)->sc_state = SC_ZOMBIE;
	file_changed(NULL);
}

/* Start a child that ends after delay_ns with `status`; return its pid. */
pid_t
sim_child(int status, int64_t delay_ns)
{
	struct simchild *sc = children;

	sim_enter();
	while (sc < children + NCHILDREN && sc->sc_state != SC_NONE)
		sc++;
	KASSERTF(sc < children + NCHILDREN, "more than %d children", NCHILDREN);
	sc->sc_state = SC_RUNS;
	sc->sc_status = status;
	sc->sc_event.se_fn = child_ends;
	sim_event_add(&sc->sc_event, sim_now() + delay_ns);
	sim_leave();
	return FIRST_PID + (pid_t)(sc - children);
}

/*
 * Reap a child that has ended; io_fd is its pid, or not positive for any child.
 * Returns the pid; if such children still run, -EAGAIN, or 0 with WNOHANG; if
 * there is no such child, -ECHILD.
 */
static int64_t
op_waitpid(struct hostio *io)
{
	struct simchild *sc;
	int known = 0;

	for (int i = 0; i < NCHILDREN; i++) {
		sc = &children[i];
		if (sc->sc_state == SC_NONE ||
		    (io->io_fd > 0 && io->io_fd != FIRST_PID + i))
			continue;
		known = 1;
		if (sc->sc_state != SC_ZOMBIE)
			continue;
		sc->sc_state = SC_NONE;
		if (io->io_buf != NULL)
			*(int *)io->io_buf = sc->sc_status;
		return FIRST_PID + i;
	}
	if (!known)
		return -ECHILD;
	return io->io_flags & WNOHANG ? 0 : -EAGAIN;
}

/* Free a descriptor; the file ends with its last reference. */
static int64_t
op_close(struct hostio *io)
{
	struct simfile *sf = simfile_of(io->io_fd);

	if (sf == NULL)
		return -EBADF;
	fdtab[io->io_fd] = NULL;
	simfile_drop(sf);
	return 0;
}

/* Do an operation of any kind.  Most kinds return -EBADF if sf is NULL. */
static int64_t
op_any(struct simfile *sf, struct hostio *io)
{
	switch ((enum hostio_op)io->io_op) {
	case HIO_NOP:
		return 0;
	case HIO_OPENAT:
		return op_open(io);
	case HIO_CLOSE:
		return op_close(io);
	case HIO_WAITPID:
		return op_waitpid(io);
	default:
		break;
	}
	if (sf == NULL)
		return -EBADF;
	switch ((enum hostio_op)io->io_op) {
	case HIO_ACCEPT:
		return op_accept(sf);
	case HIO_CONNECT:
		return op_connect(sf, io);
	case HIO_FSYNC:
		return sf->sf_type == SF_FILE ? 0 : -EINVAL;
	case HIO_POLL:
		return op_poll(sf, io);
	default:
		return op_transfer(sf, io);
	}
}

/*
 * Do an operation.  On a file in memory or a datagram socket one call transfers
 * all that is possible.  So the result is final even if it is short, and
 * io_short is set (MI5).
 */
int64_t
simfile_op(struct simfile *sf, struct hostio *io)
{
	int64_t r = op_any(sf, io);

	io->io_short = r >= 0 && sf != NULL && (sf->sf_type == SF_FILE ||
	    sf->sf_type == SF_DGRAM);
	return r;
}
