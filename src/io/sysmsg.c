/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * System calls as messages.  USES io_req.c, io_close.c.
 *
 * THEORY
 * The messages go to a port whose put function starts the call at once, on the
 * sender's CPU.  The request lies in the message (sm_host, sm_timer).  The
 * completion sends the reply, on the same CPU.  The reply travels to its port
 * like any other: as a queue entry, or in an IPI.  If a call is complete at
 * once, its reply is sent before lwkt_sendsys returns.  A close has no request:
 * the put function makes the whole call, and may block.
 *
 * An abort on another CPU sends an IPI to the CPU of the call and waits until
 * the IPI is served.  Without the wait, the sender, which owns the message
 * after the reply, could free it while the IPI still refers to it.
 *
 * INVARIANTS
 * SM1 Between putport and the reply the request of a message is in flight on
 *    CPU ir_cpu, or is being started there in a critical section.  Exception: a
 *    close, which an abort does not end.
 */
#include "io/io_var.h"

#include <errno.h>
#include <lwkt/io.h>
#include <lwkt/ipiq.h>
#include <lwkt/sysmsg.h>

#include "kern/cpu/crit.h"
#include "kern/boot/sysinit.h"

COUNTER(sysmsgs, "lwkt.io.sysmsgs", "system messages started");

static struct lwkt_port sysport;	/* (i) */

CTASSERT(sizeof(struct ioreq) <= sizeof(((struct lwkt_sysmsg *)0)->sm_host),
    "room for a request in a message");

static const uint8_t hostop[LWKT_SYS_NOPS] = {
	[LWKT_SYS_NOP] = HIO_NOP,
	[LWKT_SYS_ACCEPT] = HIO_ACCEPT,
	[LWKT_SYS_CONNECT] = HIO_CONNECT,
	[LWKT_SYS_RECV] = HIO_RECV,
	[LWKT_SYS_SEND] = HIO_SEND,
	[LWKT_SYS_READ] = HIO_READ,
	[LWKT_SYS_WRITE] = HIO_WRITE,
	[LWKT_SYS_PREAD] = HIO_PREAD,
	[LWKT_SYS_PWRITE] = HIO_PWRITE,
	[LWKT_SYS_OPENAT] = HIO_OPENAT,
	[LWKT_SYS_CLOSE] = HIO_CLOSE,
	[LWKT_SYS_FSYNC] = HIO_FSYNC,
	[LWKT_SYS_POLL] = HIO_POLL,
	[LWKT_SYS_WAITPID] = HIO_WAITPID,
	[LWKT_SYS_SLEEP] = HIO_NOP,
	[LWKT_SYS_CALL] = HIO_CALL,
};

/* Return the request that a message contains. */
static struct ioreq *
request_of(struct lwkt_sysmsg *sm)
{
	return (struct ioreq *)(void *)sm->sm_host;
}

/* Send the reply of a message; r is the result of its call. */
static void
reply(struct lwkt_sysmsg *sm, int64_t r)
{
	if (r == -ETIMEDOUT && sm->sm_op == LWKT_SYS_POLL)
		r = 0;			/* poll(2) returns 0 at its limit */
	sm->sm_result = r;
	lwkt_replymsg(&sm->sm_msg, r < 0 ? (int)-r : 0);
}

/* Send the reply of the message whose request is complete (ir_fn). */
static void
sysmsg_done(struct ioreq *ir)
{
	reply(container_of((unsigned char (*)[])ir, struct lwkt_sysmsg,
	    sm_host), ir->ir_result);
}

/* Build the request of a message. */
static void
request_fill(struct lwkt_sysmsg *sm, struct ioreq *ir)
{
	struct hostio *io = &ir->ir_io;

	ioreq_init(ir, hostop[sm->sm_op], sm->sm_fd);
	io->io_buf = sm->sm_buf;
	io->io_len = sm->sm_len;
	io->io_off = sm->sm_off;
	io->io_salen = sm->sm_salen;
	io->io_flags = sm->sm_flags;
	io->io_mode = sm->sm_mode;
	ir->ir_timer = &sm->sm_timer;
	ir->ir_fn = sysmsg_done;
}

/*
 * Return 1 if the message has a negative offset, which the call refuses.  To
 * the host -1 would mean the position of the descriptor.
 */
static int
bad_offset(const struct lwkt_sysmsg *sm)
{
	return sm->sm_off < 0 && (sm->sm_op == LWKT_SYS_PREAD ||
	    sm->sm_op == LWKT_SYS_PWRITE);
}

/* Make a call that does not wait (SYSMSG_HERE); return its result. */
static int64_t
call_here(const struct lwkt_sysmsg *sm)
{
	struct hostfn *hf = sm->sm_buf;

	hf->hf_fn(hf);
	return 0;
}

/*
 * Start the call of a message: the port's put function.  Even if the call is
 * complete, lwkt_replymsg sends the reply; so the result is LWKT_EASYNC.
 */
static int
sysport_put(lwkt_port_t port, lwkt_msg_t msg)
{
	struct lwkt_sysmsg *sm = (struct lwkt_sysmsg *)msg;
	struct ioreq *ir = request_of(sm);
	lwkt_thread_t td = caller_thread();

	(void)port;
	KASSERTF((unsigned)sm->sm_op < LWKT_SYS_NOPS, "message %p has the "
	    "unknown operation %d", (void *)sm, (int)sm->sm_op);
	KASSERTF(sm->sm_op != LWKT_SYS_CALL || sm->sm_buf != NULL, "message %p "
	    "has no function (lwkt_sysmsg_call)", (void *)sm);
	crit_enter_td(td);
	counter_inc(mygd()->gd_cntbias, sysmsgs);
	request_fill(sm, ir);
	ir->ir_cpu = (int16_t)mycpuid;				/* SM1 */
	if (bad_offset(sm))
		reply(sm, -EINVAL);
	else if (sm->sm_op == LWKT_SYS_CLOSE)
		reply(sm, lwkt_close(sm->sm_fd));
	else if (sm->sm_op == LWKT_SYS_CALL && sm->sm_flags == SYSMSG_HERE)
		reply(sm, call_here(sm));
	else if (sm->sm_op == LWKT_SYS_SLEEP)
		ioreq_sleep(ir, sm->sm_off);
	else if (ioreq_start(ir, sm->sm_timeout_ns))
		reply(sm, ir->ir_result);
	crit_exit_td(td);
	return LWKT_EASYNC;
}

/* Cancel the request of a message, on the request's CPU (ioreq_cancel). */
static void
abort_remote(void *arg)
{
	struct lwkt_sysmsg *sm = arg;

	ioreq_cancel(request_of(sm), ECANCELED);
}

/*
 * End the call of a message early, unless it is complete: the abort function of
 * the messages.  A sleep ends at once, and a close is not ended (SM1).  Another
 * call need not have ended at the return: its CPU asks the host to cancel the
 * call, and the completion replies later.  A caller on another CPU spins until
 * the CPU of the call has done its part.
 */
static void
sysmsg_abort(lwkt_msg_t msg)
{
	struct lwkt_sysmsg *sm = (struct lwkt_sysmsg *)msg;
	int cpu = request_of(sm)->ir_cpu;

	if (cpu == mycpuid)
		abort_remote(sm);
	else
		lwkt_wait_ipiq(cpu, lwkt_send_ipiq(cpu, abort_remote, sm));
}

/*
 * Start the call of a message.  Context: thread.  LWKT_SYS_CLOSE blocks; the
 * others block only if they would wait while a descriptor of the same word is
 * being closed (io_waiter.c).
 */
void
lwkt_sendsys(struct lwkt_sysmsg *sm)
{
	lwkt_sendmsg(&sysport, &sm->sm_msg);
}

/*
 * Start the call of a message, wait for its end and return its result.
 * Context: thread; blocks the thread, not the CPU.
 */
int64_t
lwkt_dosys(struct lwkt_sysmsg *sm)
{
	(void)lwkt_domsg(&sysport, &sm->sm_msg, 0);
	return sm->sm_result;
}

/* Prepare a message for the call op on fd.  Any context; never blocks. */
void
lwkt_sysmsg_init(struct lwkt_sysmsg *sm, lwkt_port_t port, enum lwkt_sysop op,
    int fd)
{
	lwkt_initmsg_abortable(&sm->sm_msg, port, 0, sysmsg_abort);
	sm->sm_op = op;
	sm->sm_fd = fd;
	sm->sm_buf = NULL;
	sm->sm_len = 0;
	sm->sm_off = 0;
	sm->sm_salen = NULL;
	sm->sm_flags = 0;
	sm->sm_mode = 0;
	sm->sm_timeout_ns = LWKT_FOREVER;
	sm->sm_result = 0;
}

/* Prepare a message that accepts a connection.  Any context; never blocks. */
void
lwkt_sysmsg_accept(struct lwkt_sysmsg *sm, lwkt_port_t port, int fd,
    struct sockaddr *sa, socklen_t *salen)
{
	lwkt_sysmsg_init(sm, port, LWKT_SYS_ACCEPT, fd);
	sm->sm_buf = sa;
	sm->sm_salen = salen;
}

/* Prepare a message that connects a socket.  Any context; never blocks. */
void
lwkt_sysmsg_connect(struct lwkt_sysmsg *sm, lwkt_port_t port, int fd,
    const struct sockaddr *sa, socklen_t salen)
{
	lwkt_sysmsg_init(sm, port, LWKT_SYS_CONNECT, fd);
	sm->sm_buf = (void *)(uintptr_t)sa;
	sm->sm_len = salen;
}

/* Prepare a message that receives.  Any context; never blocks. */
void
lwkt_sysmsg_recv(struct lwkt_sysmsg *sm, lwkt_port_t port, int fd, void *buf,
    size_t len, int flags)
{
	lwkt_sysmsg_read(sm, port, fd, buf, len);
	sm->sm_op = LWKT_SYS_RECV;
	sm->sm_flags = flags;
}

/* Prepare a message that sends.  Any context; never blocks. */
void
lwkt_sysmsg_send(struct lwkt_sysmsg *sm, lwkt_port_t port, int fd,
    const void *buf, size_t len, int flags)
{
	lwkt_sysmsg_write(sm, port, fd, buf, len);
	sm->sm_op = LWKT_SYS_SEND;
	sm->sm_flags = flags;
}

/* Prepare a message that reads.  Any context; never blocks. */
void
lwkt_sysmsg_read(struct lwkt_sysmsg *sm, lwkt_port_t port, int fd, void *buf,
    size_t len)
{
	lwkt_sysmsg_init(sm, port, LWKT_SYS_READ, fd);
	sm->sm_buf = buf;
	sm->sm_len = len;
}

/* Prepare a message that writes.  Any context; never blocks. */
void
lwkt_sysmsg_write(struct lwkt_sysmsg *sm, lwkt_port_t port, int fd,
    const void *buf, size_t len)
{
	lwkt_sysmsg_init(sm, port, LWKT_SYS_WRITE, fd);
	sm->sm_buf = (void *)(uintptr_t)buf;
	sm->sm_len = len;
}

/* Prepare a message that reads at an offset.  Any context; never blocks. */
void
lwkt_sysmsg_pread(struct lwkt_sysmsg *sm, lwkt_port_t port, int fd, void *buf,
    size_t len, off_t off)
{
	lwkt_sysmsg_read(sm, port, fd, buf, len);
	sm->sm_op = LWKT_SYS_PREAD;
	sm->sm_off = off;
}

/* Prepare a message that writes at an offset.  Any context; never blocks. */
void
lwkt_sysmsg_pwrite(struct lwkt_sysmsg *sm, lwkt_port_t port, int fd,
    const void *buf, size_t len, off_t off)
{
	lwkt_sysmsg_write(sm, port, fd, buf, len);
	sm->sm_op = LWKT_SYS_PWRITE;
	sm->sm_off = off;
}

/* Prepare a message that opens a file.  Any context; never blocks. */
void
lwkt_sysmsg_openat(struct lwkt_sysmsg *sm, lwkt_port_t port, int dfd,
    const char *path, int oflags, mode_t mode)
{
	lwkt_sysmsg_init(sm, port, LWKT_SYS_OPENAT, dfd);
	sm->sm_buf = (void *)(uintptr_t)path;
	sm->sm_flags = oflags;
	sm->sm_mode = (int)mode;
}

/* Prepare a message that closes fd.  Any context; never blocks. */
void
lwkt_sysmsg_close(struct lwkt_sysmsg *sm, lwkt_port_t port, int fd)
{
	lwkt_sysmsg_init(sm, port, LWKT_SYS_CLOSE, fd);
}

/*
 * Prepare a message that writes a file to its device.
 * Any context; never blocks.
 */
void
lwkt_sysmsg_fsync(struct lwkt_sysmsg *sm, lwkt_port_t port, int fd)
{
	lwkt_sysmsg_init(sm, port, LWKT_SYS_FSYNC, fd);
}

/*
 * Prepare a message that waits until fd is ready.
 * Any context; never blocks.
 */
void
lwkt_sysmsg_poll(struct lwkt_sysmsg *sm, lwkt_port_t port, int fd, int events)
{
	lwkt_sysmsg_init(sm, port, LWKT_SYS_POLL, fd);
	sm->sm_flags = events;
}

/*
 * Prepare a message that waits for a child process.
 * Any context; never blocks.
 */
void
lwkt_sysmsg_waitpid(struct lwkt_sysmsg *sm, lwkt_port_t port, pid_t pid,
    int *status, int options)
{
	lwkt_sysmsg_init(sm, port, LWKT_SYS_WAITPID, pid);
	sm->sm_buf = status;
	sm->sm_flags = options;
}

/*
 * Prepare a message whose reply comes after ns nanoseconds.
 * Any context; never blocks.
 */
void
lwkt_sysmsg_sleep(struct lwkt_sysmsg *sm, lwkt_port_t port, int64_t ns)
{
	lwkt_sysmsg_init(sm, port, LWKT_SYS_SLEEP, -1);
	sm->sm_off = ns;
}

/* Initialize the port of the messages. */
static int
sysmsg_boot(void)
{
	lwkt_initport_putonly(&sysport, sysport_put);
	return 0;
}

SYSINIT(SI_IO, sysmsg, sysmsg_boot, NULL, NULL, NULL);
