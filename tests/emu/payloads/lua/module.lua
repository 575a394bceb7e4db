-- SPDX-License-Identifier: BSD-2-Clause
return { name = "module", answer = function() return 42 end }
