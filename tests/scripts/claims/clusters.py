# SPDX-License-Identifier: Apache-2.0
# What specs of clusterings claim.
from claims.results import run


def iris(folder):
    """The proven optimum of three clusters."""
    (inertia,) = run("iris", folder).values("inertia")
    assert abs(inertia - 78.85144) < 1e-5, inertia
