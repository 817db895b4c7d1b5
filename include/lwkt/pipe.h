/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pipes: a stream of elements of one size, from one writer to one reader.
 *
 * A pipe is a ring of slots in the caller's memory.  One thread writes and one
 * thread reads, on any CPUs; plain pthreads may do either.  Another thread may
 * continue the work of a side if the program orders the two, for example by a
 * message.  An element is copied into the ring and out of it.
 *
 * A pthread that wakes a thread waits in the host until the CPU of that thread
 * has made it runnable.  A thread never blocks when it wakes the other side.
 *
 * A side executes no locked instruction and no fence if the other side has not
 * slept for a while and the host can fence all CPUs.  Several elements written
 * by one call become visible together, as far as there is room: between CPUs
 * that costs far less than one call for each.
 */
#ifndef LWKT_PIPE_H
#define LWKT_PIPE_H

#include <lwkt/msgport.h>

LWKT_BEGIN_DECLS

/* One side's own fields, in a cache line that the other side rarely reads. */
struct lwkt_pipe_side {
	/* Elements written, or read, so far. */
	uint64_t	 ps_count LWKT_ALIGNED(64);
	uint64_t	 ps_seen;	/* the other's ps_count, when read */
	uint32_t	 ps_slot;	/* the next slot */
	uint32_t	 ps_steady;	/* calls since this side slept */
	uint32_t	 ps_limit;	/* so many end the other's fences */
	uint32_t	 ps_pauses;	/* before a look that waits; atomic */
	uint64_t	 ps_calm;	/* ps_count when they ended; or 0 */
	uint32_t	 ps_cpu;	/* where it last moved elements */
};

struct lwkt_pipe {
	char		*pi_slots LWKT_ALIGNED(64); /* fixed at its init */
	size_t		 pi_size;	/* of an element, bytes */
	uint32_t	 pi_nslots;
	const char	*pi_name;
	uint64_t	 pi_word[2];	/* what writer, reader announce */
	lwkt_port_t	 pi_port;	/* where the notice goes */
	struct lwkt_pipe_side pi_side[2]; /* the writer's, the reader's */
	struct lwkt_msg	 pi_notice;
};

/*
 * Initialise a pipe of n > 0 elements of size > 0 bytes.  slots has n * size
 * bytes.  p, slots and name belong to the caller; they must stay until both
 * sides have returned from their last call.  p is aligned to 64 bytes.
 * Context: any.  Blocks: no.
 */
LWKT_API void lwkt_pipe_init(struct lwkt_pipe *p, void *slots, size_t size,
    unsigned n, const char *name);

/*
 * Write one element.
 * Context: the writer: a thread; a callback with timeout 0; a plain pthread
 * with timeout 0 or LWKT_FOREVER.
 * Blocks: while the pipe is full, for at most timeout_ns; a pthread that wakes
 * a thread.
 * Returns: 0; EWOULDBLOCK: still full; EPIPE: either side is closed.
 */
LWKT_API int lwkt_pipe_put(struct lwkt_pipe *p, const void *elem,
    int64_t timeout_ns);
/*
 * Read one element.  Context: the reader, as above.
 * Blocks: while the pipe is empty, for at most timeout_ns; a pthread that wakes
 * a thread.
 * Returns: 0; EWOULDBLOCK: still empty; EPIPE: empty, and the writer closed it.
 */
LWKT_API int lwkt_pipe_get(struct lwkt_pipe *p, void *elem,
    int64_t timeout_ns);

/*
 * Write n elements, in their order.  Context: as lwkt_pipe_put.
 * Blocks: while the pipe is full and elements are left, for at most timeout_ns
 * in all; a pthread that wakes a thread.
 * Returns: n; after a timeout or if the reader closes meanwhile, how many were
 * written; if that is none, -EWOULDBLOCK or -EPIPE.
 */
LWKT_API ssize_t lwkt_pipe_write(struct lwkt_pipe *p, const void *elems,
    size_t n, int64_t timeout_ns);
/*
 * Read up to max elements, as many as are there, but wait for the first.
 * Context: as lwkt_pipe_get.
 * Blocks: while the pipe is empty, for at most timeout_ns; a pthread that wakes
 * a thread.
 * Returns: the number of elements; 0: empty, and the writer closed it (or max
 * is 0); -EWOULDBLOCK: still empty.
 */
LWKT_API ssize_t lwkt_pipe_read(struct lwkt_pipe *p, void *elems, size_t max,
    int64_t timeout_ns);

/*
 * The writer ends the stream: the reader still gets what is in the pipe.  The
 * reader ends it: writes fail.
 * Context: that side; also a callback, or a plain pthread.
 * Blocks: a pthread that wakes a thread.
 */
LWKT_API void lwkt_pipe_close_writer(struct lwkt_pipe *p);
LWKT_API void lwkt_pipe_close_reader(struct lwkt_pipe *p);

/* Return the number of elements in the pipe.  Context: any.  Blocks: no. */
LWKT_API unsigned lwkt_pipe_count(const struct lwkt_pipe *p);

/*
 * For a reader that waits for other things too (lwkt_port_select): have the
 * message lwkt_pipe_notice(p) sent to port, once, as soon as the pipe has an
 * element or is closed by its writer; at once if that is so already.  The
 * reader, which receives from port, takes the message, reads with timeout 0
 * until the pipe is empty, and asks again; the message needs no reply.
 * Until the notice has come, the reader must not wait in a read of the pipe.
 * Context: the reader: a thread, or a plain pthread if port is a spin port.
 * Blocks: no.
 */
LWKT_API void lwkt_pipe_notify(struct lwkt_pipe *p, lwkt_port_t port);
/*
 * Take that back.  Returns 1: no notice will come.  0: it was sent already, and
 * the reader must still take it, or none was asked for.  Context: as above.
 */
LWKT_API int lwkt_pipe_notify_cancel(struct lwkt_pipe *p);
/* The notice of p, to compare a received message with.  Context: any. */
LWKT_API lwkt_msg_t lwkt_pipe_notice(struct lwkt_pipe *p);

LWKT_END_DECLS

#endif
