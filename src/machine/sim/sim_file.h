/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The model's descriptors (sim_file.c), as its operations (sim_io.c) use them.
 */
#ifndef LWKT_MACHINE_SIM_FILE_H
#define LWKT_MACHINE_SIM_FILE_H

#include "machine/machine_io.h"
#include "machine/sim/sim_io.h"
#include "machine/sim/sim_var.h"

enum simfile_type {
	SF_FREE, SF_SOCKET, SF_DGRAM, SF_LISTENER, SF_PIPE, SF_FILE
};

struct simfile {
	enum simfile_type sf_type;
	int		 sf_refs;	/* by descriptors, operations, queues */
	int		 sf_hungup;	/* 1: the peer has been closed */
	int		 sf_port;	/* of a listener */
	int		 sf_half;	/* of a pipe: 0 reads, 1 writes */
	struct simfile	*sf_peer;	/* socket, pipe; NULL: none or closed */
	unsigned	 sf_head;	/* index of the first byte to read */
	unsigned	 sf_len;	/* number of bytes to read */
	char		 sf_buf[SIM_IO_BUF]; /* a ring */
	int		 sf_nqueue;	/* listener: connections to accept */
	struct simfile	*sf_queue[4];	/* listener: their sockets */
	struct simnode	*sf_node;	/* SF_FILE: the contents */
	int64_t		 sf_pos;	/* SF_FILE: position */
};

/*
 * Forget all files, at each boot.  changed(sf) is called when operations that
 * wait on the file may go on, and changed(NULL) when operations that wait for a
 * child may go on.
 */
void	simfile_reset(void (*changed)(struct simfile *sf));
/* Return the file of a descriptor, or NULL. */
struct simfile *simfile_of(int fd);
void	simfile_hold(struct simfile *sf);
void	simfile_drop(struct simfile *sf);
/* Do an operation if it can be done now.  Returns its result, or -EAGAIN. */
int64_t	simfile_op(struct simfile *sf, struct hostio *io);

#endif
