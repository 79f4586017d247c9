# SPDX-License-Identifier: Apache-2.0
# What the heads of the specs of configs/ claim, asked of results: a function for each spec, of its name.
