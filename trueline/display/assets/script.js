(function () {
  "use strict";
  function key(cell) {
    var from = cell.querySelector("[data-sort]") || cell.querySelector(".one") || cell;
    var text = (from.getAttribute("data-sort") || from.textContent).trim();
    var n = parseFloat(text.replace(/[,<>%]/g, ""));
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
  function overview(view) {
    var search = view.querySelector("input[type=search]"), chart = view.querySelector("[data-choice=chart]");
    var only = Array.from(view.querySelectorAll("input[data-only]"));
    function filter() {
      var wanted = search.value.trim().toLowerCase();
      view.querySelectorAll("section[data-kind]").forEach(function (section) {
        var shown = 0, rows = section.querySelectorAll("tr[data-name]");
        rows.forEach(function (row) {
          var keep = row.getAttribute("data-name").indexOf(wanted) >= 0 && only.every(function (box) {
            return !box.checked || row.getAttribute("data-" + box.getAttribute("data-only")) === "1";
          });
          row.style.display = keep ? "" : "none";
          shown += keep ? 1 : 0;
        });
        section.style.display = shown ? "" : "none";
        section.querySelector(".count").textContent = "(" + (shown < rows.length ? shown + " of " : "") + rows.length + ")";
      });
    }
    search.addEventListener("input", filter);
    only.forEach(function (box) { box.addEventListener("change", filter); });
    chart.addEventListener("change", function () { view.classList.toggle("quantiles", chart.value === "quantiles"); });
  }
  document.querySelectorAll(".tl").forEach(function (root) {
    if (root.getAttribute("data-ready")) return;
    root.setAttribute("data-ready", "1");
    root.querySelectorAll("table.sortable > thead th").forEach(function (th) {
      th.addEventListener("click", function () { sort(th); });
      th.addEventListener("keydown", function (e) {
        if (e.key === "Enter" || e.key === " ") { e.preventDefault(); sort(th); }
      });
    });
    root.querySelectorAll("[data-view=statistics]").forEach(overview);
    root.querySelectorAll("input[data-filter]").forEach(function (input) {
      input.addEventListener("input", function () {
        var wanted = input.value.toLowerCase();
        document.querySelectorAll("#" + input.getAttribute("data-filter") + " tbody tr").forEach(function (r) {
          r.style.display = r.textContent.toLowerCase().indexOf(wanted) < 0 ? "none" : "";
        });
      });
    });
  });
})();
