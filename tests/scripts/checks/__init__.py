# SPDX-License-Identifier: Apache-2.0
# Checks of the architecture, shared by the scripts beside this folder.
