# SPDX-License-Identifier: BSD-2-Clause
dist_man_MANS += %D%/svipd.8
dist_doc_DATA += %D%/ARCHITECTURE.md %D%/SAFETY.md
