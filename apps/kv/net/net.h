/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Connections.
 */
#ifndef KV_NET_H
#define KV_NET_H

#include "cmd/cmd.h"

void	 kv_doors_start(void);
void	 kv_conn_admit(int fd, const struct sockaddr_in6 *peer,
	    unsigned int cpu);

#endif
