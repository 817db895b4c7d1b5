/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A hundred thousand threads alive at once.
 */
#include "core/thread/crowd.h"

int
main(void)
{
	return crowd_main(100000);
}
