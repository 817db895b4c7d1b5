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
	int		 sf_refs;	/* descriptors and operations */
	int		 sf_hungup;	/* its peer is closed */
	int		 sf_port;	/* listener */
	int		 sf_half;	/* pipe: 0 reads, 1 writes */
	struct simfile	*sf_peer;	/* socket or pipe; NULL: none, gone */
	unsigned	 sf_head;	/* bytes to read */
	unsigned	 sf_len;
	char		 sf_buf[SIM_IO_BUF];
	int		 sf_nqueue;	/* listener: connections to accept */
	struct simfile	*sf_queue[4];
	struct simnode	*sf_node;	/* file */
	int64_t		 sf_pos;
};

/*
 * Forget all files, at each boot.  changed(sf) is called when operations that
 * wait on the file may go on, changed(NULL) when those that wait for a child
 * may.
 */
void	simfile_reset(void (*changed)(struct simfile *sf));
/* Return the file of a descriptor, or NULL. */
struct simfile *simfile_of(int fd);
void	simfile_hold(struct simfile *sf);
void	simfile_drop(struct simfile *sf);
/* Do an operation if it can be done now.  Returns its result, or -EAGAIN. */
int64_t	simfile_op(struct simfile *sf, struct hostio *io);

#endif
