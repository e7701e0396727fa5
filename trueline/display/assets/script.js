(function () {
  "use strict";
  function key(cell) {
    var text = (cell.getAttribute("data-sort") || cell.textContent).trim();
    var n = parseFloat(text.replace(/,/g, ""));
    return isNaN(n) ? text.toLowerCase() : n;
  }
  function sort(th) {
    var table = th.closest("table"), body = table.tBodies[0], i = th.cellIndex;
    var down = th.getAttribute("aria-sort") === "ascending";
    table.querySelectorAll("th").forEach(function (h) { h.removeAttribute("aria-sort"); });
    th.setAttribute("aria-sort", down ? "descending" : "ascending");
    Array.from(body.rows).sort(function (r, s) {
      var a = key(r.cells[i]), b = key(s.cells[i]);
      var c = typeof a === typeof b ? (a < b ? -1 : a > b ? 1 : 0) : typeof a === "number" ? -1 : 1;
      return down ? -c : c;
    }).forEach(function (r) { body.appendChild(r); });
  }
  document.querySelectorAll("table.sortable th").forEach(function (th) {
    th.addEventListener("click", function () { sort(th); });
    th.addEventListener("keydown", function (e) { if (e.key === "Enter") sort(th); });
  });
  document.querySelectorAll("input[data-filter]").forEach(function (input) {
    input.addEventListener("input", function () {
      var wanted = input.value.toLowerCase();
      document.querySelectorAll("#" + input.getAttribute("data-filter") + " tbody tr").forEach(function (r) {
        r.style.display = r.textContent.toLowerCase().indexOf(wanted) < 0 ? "none" : "";
      });
    });
  });
})();
